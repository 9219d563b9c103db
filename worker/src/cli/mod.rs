//! The command line of `fidelis-worker`.

mod address;
mod bench;
mod convert;
mod encode;
mod features;
pub(crate) mod grid;
mod info;
mod output;
mod phema;
mod progress;
pub mod run;
mod sample;
mod toy;
mod train;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use fidelis_fleet::out;

pub use fidelis_contract::outcome::Failure;
use fidelis_contract::spec::FileRef;

/// Samples with guided EDM2 pairs, one device per process.
#[derive(Debug, Parser)]
#[command(name = "fidelis-worker", version, about)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve a fleet: claim chunks, make them, store them
    Run(run::RunArgs),
    /// Sample the images of a list of seeds, without a fleet
    Sample(Box<sample::SampleArgs>),
    /// Extract the features of images that exist
    Features(features::FeaturesArgs),
    /// Measure what images of a net take on this device: speed, memory and cost
    Bench(Box<bench::BenchArgs>),
    /// Convert a published net to .safetensors, bit for bit
    Convert(convert::ConvertArgs),
    /// Tell what a net, a state dict or statistics hold
    Info(info::InfoArgs),
    /// Train a net or the demo's detector, or take recorded steps again
    Train(train::TrainArgs),
    /// Make a dataset of pictures that trainers read: cropped, in one ZIP, with their classes
    Encode(encode::EncodeArgs),
    /// Make averages of other widths out of the snapshots that training left
    Phema(phema::PhemaArgs),
    /// The 2D example of autoguidance
    Toy(toy::ToyArgs),
}

impl Cli {
    /// Runs the command; the exit code on success is not always 0 (an interrupted run, for one).
    pub async fn run(self) -> Result<u8, Failure> {
        match self.command {
            Command::Run(args) => run::run(args).await,
            Command::Sample(mut args) => {
                args.check_outputs()?;
                let from = address::make_local(args.files()).await?;
                blocking(move || sample::sample(&args)).await.map_err(|failure| failure.at(&from))
            }
            Command::Features(mut args) => {
                output::check([args.out()])?;
                let from = address::make_local(args.files()).await?;
                blocking(move || features::features(&args)).await.map_err(|failure| failure.at(&from))
            }
            Command::Bench(mut args) => {
                let named: Vec<String> = args.files().map(|file| shown(file)).collect();
                let from = address::make_local(args.files()).await?;
                blocking(move || bench::bench(&args, &named)).await.map_err(|failure| failure.at(&from))
            }
            Command::Convert(mut args) => {
                let from = address::make_local([&mut args.from]).await?;
                blocking(move || convert::convert(&args)).await.map_err(|failure| failure.at(&from))
            }
            Command::Info(mut args) => {
                let address = args.file.clone();
                let from =
                    address::make_local([&mut args.file].into_iter().chain(args.gnet.as_mut())).await?;
                let done = blocking(move || info::info(&args, &address)).await;
                done.map_err(|failure| failure.at(&from))
            }
            Command::Train(args) => blocking(move || train::train(&args)).await,
            Command::Encode(mut args) => {
                let from = address::make_local(args.vae.as_mut()).await?;
                blocking(move || encode::encode(&args)).await.map_err(|failure| failure.at(&from))
            }
            Command::Phema(args) => blocking(move || phema::phema(&args)).await,
            Command::Toy(args) => blocking(move || toy::toy(&args)).await,
        }
    }
}

/// A file as it was named, without what is nobody's business.
fn shown(file: &Path) -> String {
    FileRef::new(file.display().to_string()).shown()
}

/// Device work must not hold up the runtime that watches for signals.
async fn blocking(work: impl FnOnce() -> Result<u8, Failure> + Send + 'static) -> Result<u8, Failure> {
    tokio::task::spawn_blocking(work).await.context("the command's own thread")?
}

/// The whole program, but for its runtime: parses, runs, and says in one line what went wrong.
pub async fn main() -> ExitCode {
    crate::logs::init();
    let ended = match Cli::try_parse() {
        // On the heap: the future of all commands is large.
        Ok(cli) => Box::pin(cli.run()).await,
        Err(error) => Ok(out::usage(&error.to_string(), error.use_stderr())),
    };
    out::conclude("fidelis-worker", ended.map_err(|failure| (failure.to_string(), failure.code)))
}
