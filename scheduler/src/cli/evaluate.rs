//! `fidelis metrics`: distances between files.

use std::{env, path::PathBuf};

use clap::Args;
use fidelis_contract::{addresses::Addresses, exit, spec::FileRef};
use fidelis_fleet::{files::FileError, out};
use serde_json::Value;

use super::{Failure, fleet::files, transfer::Transfers};
use crate::evaluate::{self, MetricsRequest};

/// What to compare.
#[derive(Debug, Args)]
pub struct MetricsArgs {
    /// Features (.safetensors, .npy, .npz) or statistics (.npz, EDM2's .pkl) of the images: a path, s3://bucket/key or
    /// https://…
    #[arg(long, value_name = "FILE")]
    features: PathBuf,
    /// Features or statistics to compare with
    #[arg(long = "ref", value_name = "FILE")]
    reference: PathBuf,
    /// Which metrics: fid (Inception's), fd_dinov2, fd (any other detector's) [default: the one of the detector that the
    /// files name, fd where they name none]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    metrics: Vec<String>,
    /// The detector that made the features, where the files do not say; chooses among the statistics of a .pkl
    #[arg(long, value_name = "NAME")]
    detector: Option<String>,
    /// JSON on stdout
    #[arg(long)]
    json: bool,
}

/// Prints the distances.
pub async fn metrics(args: MetricsArgs) -> Result<u8, Failure> {
    let MetricsArgs { features, reference, metrics, detector, json } = args;
    let mut addresses = Addresses::default();
    let features = local(features, &mut addresses).await?;
    let reference = local(reference, &mut addresses).await?;
    let found = evaluate::metrics(&MetricsRequest { features, reference, detector, metrics });
    let found = found.map_err(|error| Failure::from(error).at(&addresses))?;
    if json {
        out::json(Value::Object(found));
    } else {
        found.iter().for_each(|(name, value)| out::line(format!("{name}  {}", shown(value))));
    }
    Ok(exit::DONE)
}

/// The number, and what there is to say about it.
fn shown(value: &Value) -> String {
    let Some(number) = value.get("value") else { return value.to_string() };
    let deficient = (value["rank_deficient"] == true).then_some(
        "rank-deficient: fewer images than features on one side, or features that depend on each other"
            .to_owned(),
    );
    let clipped = value["sigma_clipped_mass"].as_f64().filter(|mass| *mass > 0.0);
    let clipped = clipped.map(|mass| format!("eigenvalues of sigma below 0 count as 0: {mass:e} in all"));
    let notes: Vec<String> = deficient.into_iter().chain(clipped).collect();
    format!("{number}  ({})", notes.join("; "))
}

/// A local path in the place of an address (`file:`, `s3://`, `https://`); plain paths stay.
pub(super) async fn local(path: PathBuf, addresses: &mut Addresses) -> Result<PathBuf, FileError> {
    let address = path.to_str().map(FileRef::new);
    let Some(address) = address.filter(|file| file.is_url() || file.path.starts_with("file:")) else {
        return Ok(path);
    };
    let transfers = Transfers::default();
    let files = files(env::var("FIDELIS_S3_ENDPOINT").ok());
    let local = files.local(&address, &|transfer| transfers.tell(transfer)).await?.path;
    addresses.note(&local, &address);
    Ok(local)
}
