//! `fidelis-worker toy train`: a net of the 2D example.

use std::path::PathBuf;

use clap::Args;
use fidelis_contract::exit;
use fidelis_edm2::toy::{ToyRecipe, Which};

use super::nets::{self, Order};
use crate::cli::{Failure, output};
use crate::interrupt::Interrupt;

#[derive(Debug, Args)]
pub struct TrainArgs {
    /// main (class A, dim 64, 4096 iterations), autoguidance (class A, dim 32, 512) or cfg (both classes, dim 32, 512)
    #[arg(long, value_name = "WHICH", value_parser = parse_which)]
    net: Which,
    /// Decides the initial weights and all points
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// As many iterations as this, in place of the paper's
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    iterations: Option<u64>,
    /// Where the moving average of the weights goes (.safetensors)
    #[arg(long, value_name = "F")]
    out: PathBuf,
}

fn parse_which(name: &str) -> Result<Which, String> {
    let found = Which::ALL.into_iter().find(|which| which.name() == name);
    found.ok_or_else(|| "expected main, autoguidance or cfg".to_owned())
}

/// Trains and writes; interrupted, it leaves nothing.
pub fn train(args: &TrainArgs) -> Result<u8, Failure> {
    let interrupt = Interrupt::watch()?;
    output::check([args.out.as_path()])?;
    let recipe = args.net.recipe();
    let recipe = ToyRecipe { iterations: args.iterations.unwrap_or(recipe.iterations), ..recipe };
    let stopped = nets::train(Order { which: args.net, recipe, seed: args.seed }, &args.out, &interrupt)?;
    Ok(stopped.unwrap_or(exit::DONE))
}
