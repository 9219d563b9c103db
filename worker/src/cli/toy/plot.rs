//! `fidelis-worker toy plot`: the paper's Figures 1 and 2.

use std::path::PathBuf;

use clap::Args;
use fidelis_contract::exit;
use fidelis_edm2::toy::{Classes, Measures, Nets, Way, experiment, ground_truth};
use fidelis_formats::atomic;

use super::figures;
use crate::cli::Failure;

#[derive(Debug, Args)]
pub struct PlotArgs {
    /// Nets of `toy train`: D₁
    #[arg(long, value_name = "F")]
    main: PathBuf,
    /// D₀ of autoguidance
    #[arg(long, value_name = "F")]
    autoguidance: PathBuf,
    /// D₀ of classifier-free guidance
    #[arg(long, value_name = "F")]
    cfg: PathBuf,
    #[arg(long, default_value_t = 16_384, value_parser = clap::value_parser!(i64).range(1..=1_000_000))]
    points: i64,
    /// Decides where the points begin
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Folder for figure1 and figure2, each as .png and .svg
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Samples each way and draws.
pub fn plot(args: &PlotArgs) -> Result<u8, Failure> {
    atomic::check_folder(&args.out)?;
    let nets = Nets {
        main: experiment::read(&args.main)?,
        autoguidance: experiment::read(&args.autoguidance)?,
        cfg: experiment::read(&args.cfg)?,
    };
    let (truth, measures) = (ground_truth(Classes::A), Measures::default());
    let samples = Way::ALL.map(|way| {
        let samples = nets.sample(&truth, way, (args.points, args.seed));
        let measured = measures.of(&samples);
        (samples, measured)
    });
    figures::write(&Nets::figure1(&samples), &args.out, "figure1")?;
    figures::write(&nets.figure2(args.seed), &args.out, "figure2")?;
    Ok(exit::DONE)
}
