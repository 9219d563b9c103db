//! `fidelis metrics`: distances between files.

use std::{env, path::PathBuf};

use clap::Args;
use fidelis_shared::{exit, files::FileError, out, spec::FileRef};
use serde_json::Value;

use super::{Failure, fleet::files, transfer::Transfers};
use crate::evaluate::{self, MetricsRequest};

/// What to compare.
#[derive(Debug, Args)]
pub struct MetricsArgs {
    /// Features (.safetensors) or statistics (.npz, EDM2's .pkl) of the images: a path, s3://bucket/key or https://…
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
pub async fn metrics(args: MetricsArgs) -> Result<u8, Failure> {
    let MetricsArgs { features, reference, metrics, detector, json } = args;
    let (features, reference) = (local(features).await?, local(reference).await?);
    let found = evaluate::metrics(&MetricsRequest { features, reference, detector, metrics })?;
    if json {
        out::json(Value::Object(found));
    } else {
        found.iter().for_each(|(name, value)| out::line(format!("{name}  {value}")));
    }
    Ok(exit::DONE)
}

/// A local path in the place of an address (`file:`, `s3://`, `https://`); plain paths stay.
async fn local(path: PathBuf) -> Result<PathBuf, FileError> {
    let address = path.to_str().map(FileRef::new);
    let Some(address) = address.filter(|file| file.is_url() || file.path.starts_with("file:")) else {
        return Ok(path);
    };
    let transfers = Transfers::default();
    let files = files(env::var("FIDELIS_S3_ENDPOINT").ok());
    Ok(files.local(&address, &|transfer| transfers.tell(transfer)).await?.path)
}
