//! `fidelis-worker toy replay`: recorded iterations, taken again.

use std::path::PathBuf;

use clap::Args;
use fidelis_contract::exit;
use fidelis_edm2::toy;

use crate::cli::{Failure, output};

#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// Recorded iterations (.safetensors): `init/…`, `step0/x`, `step0/sigma`, … and the metadata key `run`
    #[arg(value_name = "F")]
    recording: PathBuf,
    /// Where `final/…`, `ema/…`, `step0/net_score`, …, `losses` and `lrs` go (.safetensors)
    #[arg(long, value_name = "G")]
    out: PathBuf,
}

/// Takes the iterations at their own points and writes what came of them.
pub fn replay(args: &ReplayArgs) -> Result<u8, Failure> {
    output::check([args.out.as_path()])?;
    toy::replay(&args.recording)?.write(&args.out)?;
    Ok(exit::DONE)
}
