//! `fidelis metrics`: distances between files.

use std::path::PathBuf;

use clap::Args;
use fidelis_shared::exit;
use serde_json::Value;

use super::Failure;
use crate::evaluate::{self, MetricsRequest};

/// What to compare.
#[derive(Debug, Args)]
pub struct MetricsArgs {
    /// Features (.safetensors) or statistics (.npz, EDM2's .pkl) of the images
    #[arg(long, value_name = "FILE")]
    features: PathBuf,
    /// Features or statistics to compare with
    #[arg(long = "ref", value_name = "FILE")]
    reference: PathBuf,
    /// Which metrics
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "fid")]
    metrics: Vec<String>,
    /// The detector that made the features: names the metric, as `fd` for one that is not
    /// Inception, and chooses among the statistics of a .pkl
    #[arg(long, value_name = "NAME")]
    detector: Option<String>,
    /// JSON on stdout
    #[arg(long)]
    json: bool,
}

/// Prints the distances.
pub fn metrics(args: MetricsArgs) -> Result<u8, Failure> {
    let MetricsArgs { features, reference, metrics, detector, json } = args;
    let found = evaluate::metrics(&MetricsRequest { features, reference, detector, metrics })?;
    if json {
        println!("{}", Value::Object(found));
    } else {
        found.iter().for_each(|(name, value)| println!("{name}  {value}"));
    }
    Ok(exit::DONE)
}
