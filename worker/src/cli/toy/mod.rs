//! `fidelis-worker toy`: the 2D example of autoguidance.

mod figures;
mod nets;
mod plot;
mod replay;
mod run;
mod sample;
mod train;

use clap::{Args, Subcommand};

use fidelis_edm2::device;

use super::Failure;

#[derive(Debug, Args)]
pub struct ToyArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// All of it: training, table and pictures
    Run(run::RunArgs),
    /// Train one of the nets
    Train(train::TrainArgs),
    /// Sample points, guided or not
    Sample(sample::SampleArgs),
    /// Draw the paper's Figures 1 and 2
    Plot(plot::PlotArgs),
    /// Take recorded iterations again at their own points
    Replay(replay::ReplayArgs),
}

/// Does what was asked for. The nets are so small that threads would wait for each other; the ground truth has its own.
pub fn toy(args: &ToyArgs) -> Result<u8, Failure> {
    device::set_threads(1);
    match &args.what {
        What::Run(args) => run::run(args),
        What::Train(args) => train::train(args),
        What::Sample(args) => sample::sample(args),
        What::Plot(args) => plot::plot(args),
        What::Replay(args) => replay::replay(args),
    }
}
