//! `fidelis-worker phema`: averages of other widths, made after training.

use std::path::PathBuf;

use clap::Args;
use fidelis_contract::exit;
use fidelis_edm2::train::{Outdir, posthoc::Reconstruction};
use fidelis_fleet::out;
use serde_json::json;

use super::{Failure, progress::Progress};
use crate::far;

#[derive(Debug, Args)]
pub struct PhemaArgs {
    /// Folder or s3://bucket/prefix of snapshots, named as `network-snapshot-0008388-0.050.pkl` or `….safetensors`
    #[arg(long = "in", value_name = "DIR")]
    snapshots: PathBuf,
    /// Relative widths σ_rel of the averages to make, as 0.010,0.015
    #[arg(long, value_name = "LIST", required_unless_present = "check", value_delimiter = ',')]
    std: Vec<f64>,
    /// Thousands of images seen, as the snapshots' names have them; without it the last
    #[arg(long, value_name = "KIMG")]
    at: Option<u64>,
    /// Folder or s3://bucket/prefix for phema-KIMG-STD.safetensors; what is there already, whole and of the same snapshots,
    /// stays
    #[arg(long, value_name = "DIR", required_unless_present = "check")]
    out: Option<PathBuf>,
    /// Make each average that was stored at that time out of all the others instead, write nothing, and tell how far off
    /// that is
    #[arg(long, conflicts_with_all = ["std", "out"])]
    check: bool,
    /// JSON on stdout, one line for each average
    #[arg(long)]
    json: bool,
}

/// Reads each snapshot once, for all averages together.
pub fn phema(args: &PhemaArgs) -> Result<u8, Failure> {
    let from = far::to_read(&args.snapshots)?;
    let Some(out) = &args.out else { return check(args, &*from) };
    let to = far::to_write(out)?;
    let plan = Reconstruction::plan(&*from, &args.std, args.at)?;
    let bar = Progress::new("snapshots", plan.inputs.len() as u64);
    let made = plan.blend((&*from, &*to), &|done, _| bar.at(done as u64))?;
    drop(bar);
    for output in &plan.outputs {
        let (place, misfit) = (to.place(&output.name), output.misfit);
        let is_new = made.contains(&output.name);
        if args.json {
            out::json(json!({ "file": place, "std": output.sigma_rel, "misfit": misfit, "made": is_new }));
        } else {
            let there = if is_new { "" } else { ", was there" };
            out::line(format!("{}  off by {:.2} %{there}", place.display(), misfit * 100.0));
        }
    }
    Ok(exit::DONE)
}

fn check(args: &PhemaArgs, from: &dyn Outdir) -> Result<u8, Failure> {
    let plan = Reconstruction::check(from, args.at)?;
    let bar = Progress::new("snapshots", plan.inputs.len() as u64);
    let differences = plan.differences(from, &|done, _| bar.at(done as u64))?;
    drop(bar);
    for (output, found) in plan.outputs.iter().zip(differences) {
        let place = from.place(&output.name);
        if args.json {
            out::json(json!({
                "file": place, "std": output.sigma_rel, "misfit": output.misfit, "relative": found.relative,
                "largest": found.largest,
            }));
        } else {
            out::line(format!(
                "{}  weights off by {:.3} %, at most {:.3} % of a tensor's largest; profile off by {:.2} %",
                place.display(),
                found.relative * 100.0,
                found.largest * 100.0,
                output.misfit * 100.0
            ));
        }
    }
    Ok(exit::DONE)
}
