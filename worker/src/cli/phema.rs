//! `fidelis-worker phema`: averages of other widths, made after training.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use fidelis_contract::exit;
use fidelis_edm2::train::posthoc::Reconstruction;
use fidelis_fleet::out;
use fidelis_formats::atomic;

use super::Failure;

#[derive(Debug, Args)]
pub struct PhemaArgs {
    /// Folder of snapshots, named as `network-snapshot-0008388-0.050.pkl` or `….safetensors`
    #[arg(long = "in", value_name = "DIR")]
    snapshots: PathBuf,
    /// Relative widths σ_rel of the averages to make, as 0.010,0.015
    #[arg(long, value_name = "LIST", required = true, value_delimiter = ',')]
    std: Vec<f64>,
    /// Thousands of images seen, as the snapshots' names have them; without it the last
    #[arg(long, value_name = "KIMG")]
    at: Option<u64>,
    /// Folder for phema-KIMG-STD.safetensors; what is there already, of the same snapshots, stays
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Reads each snapshot once, for all averages together.
pub fn phema(args: &PhemaArgs) -> Result<u8, Failure> {
    atomic::check_folder(&args.out)?;
    let plan = Reconstruction::plan(&args.snapshots, &args.std, args.at)?;
    std::fs::create_dir_all(&args.out)
        .with_context(|| format!("cannot make the folder `{}`", args.out.display()))?;
    let told = |done: usize, all: usize| out::note(format!("{done} of {all} snapshots"));
    let paths = plan.blend(&args.out, &told)?;
    for (output, path) in plan.outputs.iter().zip(paths) {
        out::line(format!("{}  off by {:.2} %", path.display(), output.misfit * 100.0));
    }
    Ok(exit::DONE)
}
