//! `fidelis-worker train net`: a net from a recipe.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use fidelis_contract::exit;
use fidelis_edm2::data::ImageSet;
use fidelis_edm2::device;
use fidelis_edm2::train::{InMemory, Recipe, Trainer};
use fidelis_fleet::out;
use fidelis_formats::atomic;

use crate::cli::{Failure, output};
use crate::interrupt::Interrupt;

const SAVE_EVERY: Duration = Duration::from_secs(120);
const LOG_EVERY_STEPS: u64 = 50;

#[derive(Debug, Args)]
pub struct NetArgs {
    /// Recipe (.toml)
    recipe: PathBuf,
    /// Images to train on: …-images-idx3-ubyte[.gz] with its labels beside it, or .safetensors
    #[arg(long)]
    data: PathBuf,
    /// Folder for net.safetensors, loss.csv and the resumable state
    #[arg(long)]
    out: PathBuf,
    /// Threads; the bits of the result depend on their number
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(i32).range(1..=1024))]
    threads: i32,
    /// cpu or cuda:N
    #[arg(long, default_value = "cpu")]
    device: String,
}

/// Runs until done or interrupted; interrupted training is saved and resumable.
pub fn train(args: &NetArgs) -> Result<u8, Failure> {
    let interrupt = Interrupt::watch()?;
    device::set_threads(args.threads);
    let device = device::open(&args.device)?;
    atomic::check_folder(&args.out)?;
    let files = ["state.safetensors", "net.safetensors", "loss.csv"].map(|name| args.out.join(name));
    output::check(files.iter().map(PathBuf::as_path))?;
    let recipe = Recipe::read(&args.recipe)?;
    let (steps, batch) = (recipe.steps, recipe.batch);
    let images = Box::new(InMemory::new(ImageSet::read(&args.data)?, recipe.seed));
    fs::create_dir_all(&args.out)
        .with_context(|| format!("cannot make the folder `{}`", args.out.display()))?;
    let state = args.out.join("state.safetensors");
    let mut trainer = if state.exists() {
        Trainer::resume(recipe, images, device, &state)?
    } else {
        Trainer::new(recipe, images, device)?
    };
    let mut log = LossLog::open(&args.out.join("loss.csv"), trainer.step())?;
    let (start, first_step) = (Instant::now(), trainer.step());
    let mut saved = Instant::now();
    while !trainer.is_done() && interrupt.signal().is_none() {
        let loss = trainer.advance()?;
        if log.add(trainer.step(), loss)? {
            let rate = (trainer.step() - first_step) as f64 / start.elapsed().as_secs_f64();
            let left = (steps - trainer.step()) as f64 / rate;
            out::note(format!(
                "step {}/{steps} · {} images · loss {:.4} · {rate:.2} steps/s · {:.0} s left",
                trainer.step(),
                trainer.step() * batch,
                log.last,
                left
            ));
        }
        if saved.elapsed() > SAVE_EVERY {
            trainer.save(&state)?;
            trainer.snapshot(0).write(&args.out.join("net.safetensors"))?;
            saved = Instant::now();
        }
    }
    trainer.save(&state)?;
    trainer.snapshot(0).write(&args.out.join("net.safetensors"))?;
    out::note(format!("{} steps in {:.0} s", trainer.step() - first_step, start.elapsed().as_secs_f64()));
    Ok(interrupt.signal().filter(|_| !trainer.is_done()).unwrap_or(exit::DONE))
}

/// `loss.csv`: the mean loss of every [`LOG_EVERY_STEPS`] steps.
struct LossLog {
    file: fs::File,
    sum: f64,
    count: u64,
    last: f64,
}

impl LossLog {
    /// Opens the log to go on after `step`; lines of steps that will be taken again are dropped.
    fn open(path: &Path, step: u64) -> anyhow::Result<Self> {
        let named = || format!("cannot write `{}`", path.display());
        let old = if step > 0 { fs::read_to_string(path).unwrap_or_default() } else { String::new() };
        let is_past =
            |line: &&str| line.split(',').next().and_then(|s| s.parse().ok()).is_some_and(|s: u64| s <= step);
        let kept: Vec<&str> = old.lines().filter(is_past).collect();
        let mut file =
            OpenOptions::new().create(true).write(true).truncate(true).open(path).with_context(named)?;
        writeln!(file, "step,loss").with_context(named)?;
        for line in kept {
            writeln!(file, "{line}").with_context(named)?;
        }
        Ok(Self { file, sum: 0.0, count: 0, last: f64::NAN })
    }

    /// Takes one step's loss; true when a line was written.
    fn add(&mut self, step: u64, loss: f64) -> anyhow::Result<bool> {
        self.sum += loss;
        self.count += 1;
        if !step.is_multiple_of(LOG_EVERY_STEPS) {
            return Ok(false);
        }
        self.last = self.sum / self.count as f64;
        (self.sum, self.count) = (0.0, 0);
        writeln!(self.file, "{step},{:.5}", self.last).context("cannot write the loss log")?;
        Ok(true)
    }
}
