//! The command line of `fidelis-worker`.

mod address;
mod convert;
mod failure;
mod features;
mod grid;
mod info;
mod output;
pub mod run;
mod sample;
mod train;

use clap::{Parser, Subcommand};

pub use failure::Failure;

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
    /// Convert a published net to .safetensors, bit for bit
    Convert(convert::ConvertArgs),
    /// Tell what a net, a state dict or statistics hold
    Info(info::InfoArgs),
    /// Train a net or the demo's detector
    Train(train::TrainArgs),
}

impl Cli {
    /// Runs the command; the exit code on success is not always 0 (an interrupted run, for one).
    pub async fn run(self) -> Result<u8, Failure> {
        match self.command {
            Command::Run(args) => run::run(args).await,
            Command::Sample(mut args) => {
                let from = address::make_local(args.files()).await?;
                blocking(move || sample::sample(&args)).await.map_err(|failure| failure.at(&from))
            }
            Command::Features(mut args) => {
                let from = address::make_local(args.files()).await?;
                blocking(move || features::features(&args)).await.map_err(|failure| failure.at(&from))
            }
            Command::Convert(mut args) => {
                let from = address::make_local([&mut args.from]).await?;
                blocking(move || convert::convert(&args)).await.map_err(|failure| failure.at(&from))
            }
            Command::Info(mut args) => {
                let address = args.file.clone();
                let from = address::make_local([&mut args.file]).await?;
                let done = blocking(move || info::info(&args, &address)).await;
                done.map_err(|failure| failure.at(&from))
            }
            Command::Train(args) => blocking(move || train::train(&args)).await,
        }
    }
}

/// Device work must not hold up the runtime that watches for signals.
async fn blocking(work: impl FnOnce() -> Result<u8, Failure> + Send + 'static) -> Result<u8, Failure> {
    tokio::task::spawn_blocking(work).await?
}
