//! `fidelis-worker train detector`: the demo's classifier.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context;
use clap::Args;
use fidelis_contract::exit;
use fidelis_edm2::checkpoint::TensorFile;
use fidelis_edm2::data::ImageSet;
use fidelis_edm2::device;
use fidelis_edm2::train::detector::DetectorTrainer;
use fidelis_fleet::out;

use crate::cli::{Failure, output};
use crate::interrupt::Interrupt;

#[derive(Debug, Args)]
pub struct DetectorArgs {
    /// Labelled images to train on
    #[arg(long)]
    data: PathBuf,
    /// Labelled images to measure the accuracy on
    #[arg(long)]
    test: PathBuf,
    /// Where the weights go (.safetensors)
    #[arg(long)]
    out: PathBuf,
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    epochs: u64,
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Threads; the bits of the result depend on their number
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(i32).range(1..=1024))]
    threads: i32,
}

/// Runs until done; interrupted, it leaves nothing.
pub fn train(args: &DetectorArgs) -> Result<u8, Failure> {
    let interrupt = Interrupt::watch()?;
    device::set_threads(args.threads);
    output::check([args.out.as_path()])?;
    let test = ImageSet::read(&args.test)?;
    let mut trainer = DetectorTrainer::new(args.seed, args.epochs, ImageSet::read(&args.data)?)
        .with_context(|| format!("the images of `{}` come without labels", args.data.display()))?;
    let (start, steps, mut step) = (Instant::now(), trainer.steps(), 0u64);
    while let Some(loss) = trainer.advance() {
        if let Some(code) = interrupt.signal() {
            return Ok(code);
        }
        step += 1;
        if step.is_multiple_of(100) {
            out::note(format!(
                "step {step}/{steps} · cross-entropy {loss:.4} · {:.0} s",
                start.elapsed().as_secs_f64()
            ));
        }
    }
    let accuracy = trainer
        .accuracy(&test)
        .with_context(|| format!("the images of `{}` come without labels", args.test.display()))?;
    TensorFile { tensors: trainer.weights(), ..TensorFile::default() }.write(&args.out)?;
    out::line(format!("test accuracy {:.2} %, {:.0} s", accuracy * 100.0, start.elapsed().as_secs_f64()));
    Ok(exit::DONE)
}
