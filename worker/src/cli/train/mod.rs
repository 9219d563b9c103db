//! `fidelis-worker train`: nets, the demo's detector, and recorded steps.

mod detector;
mod ranks;
mod replay;
mod run;

use anyhow::anyhow;
use clap::{Args, Subcommand};

use super::Failure;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct TrainArgs {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    run: Option<run::RunArgs>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Train the demo's detector, a classifier whose inner layer gives the features
    Detector(detector::DetectorArgs),
    /// Take recorded steps again with their own draws: how two trainers are compared
    Replay(replay::ReplayArgs),
}

/// Does what was asked for.
pub fn train(args: &TrainArgs) -> Result<u8, Failure> {
    match (&args.what, &args.run) {
        (Some(What::Detector(args)), _) => detector::train(args),
        (Some(What::Replay(args)), _) => replay::replay(args),
        (None, Some(args)) => run::train(args),
        (None, None) => {
            Err(anyhow!("say what to train: `--preset NAME`, `--recipe F`, or see `--help`").into())
        }
    }
}
