//! `fidelis-worker train replay`: recorded steps, taken again.

use std::path::PathBuf;

use clap::Args;
use fidelis_contract::exit;
use fidelis_edm2::{device, train};

use crate::cli::{Failure, output};

#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// Recorded steps (.safetensors): `init/…`, `step0/images`, … and the metadata keys `run` and `config`
    #[arg(value_name = "F")]
    recording: PathBuf,
    /// Where `final/…`, `ema-…/…`, `grad0/…`, `losses` and `lrs` go (.safetensors)
    #[arg(long, value_name = "G")]
    out: PathBuf,
    /// cpu or cuda:N
    #[arg(long, default_value = "cpu")]
    device: String,
}

/// Takes the steps with their own draws and writes what came of them.
pub fn replay(args: &ReplayArgs) -> Result<u8, Failure> {
    output::check([args.out.as_path()])?;
    let replayed = train::replay(&args.recording, device::open(&args.device)?)?;
    replayed.write(&args.out)?;
    Ok(exit::DONE)
}
