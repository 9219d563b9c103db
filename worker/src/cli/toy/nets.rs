//! Training of the 2D example's nets, as a command does it.

use std::path::Path;
use std::time::{Duration, Instant};

use fidelis_edm2::toy::{ToyRecipe, ToyTrainer, Which, experiment};
use fidelis_fleet::out;

use crate::cli::Failure;
use crate::interrupt::Interrupt;

/// Between lines of progress.
const TELL_EVERY: Duration = Duration::from_secs(30);

/// Which net to train, how, and from which seed.
#[derive(Clone, Copy, Debug)]
pub struct Order {
    pub which: Which,
    pub recipe: ToyRecipe,
    pub seed: u64,
}

/// Trains a net and writes it to `path`. Gives the signal that came meanwhile, if one did: then nothing is written.
pub fn train(order: Order, path: &Path, interrupt: &Interrupt) -> Result<Option<u8>, Failure> {
    let Order { recipe, seed, .. } = order;
    let mut trainer = ToyTrainer::new(recipe, seed);
    let (start, mut told, mut loss) = (Instant::now(), Instant::now(), f64::NAN);
    while trainer.iteration() < recipe.iterations {
        if let Some(code) = interrupt.signal() {
            return Ok(Some(code));
        }
        loss = trainer.advance(seed).loss;
        if told.elapsed() > TELL_EVERY {
            told = Instant::now();
            tell(order, trainer.iteration(), loss, start);
        }
    }
    tell(order, trainer.iteration(), loss, start);
    experiment::write(&trainer, path)?;
    Ok(None)
}

fn tell(order: Order, done: u64, loss: f64, start: Instant) {
    let rate = done as f64 / start.elapsed().as_secs_f64();
    let (name, all, seed) = (order.which.name(), order.recipe.iterations, order.seed);
    out::note(format!(
        "{name}, seed {seed}: {done} of {all} iterations · loss {loss:.4} · {rate:.1} a second"
    ));
}
