//! `fidelis metrics`: what files of features or statistics, and the features of runs, come to.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use fidelis_contract::{addresses::Addresses, exit};
use fidelis_fleet::out;
use serde_json::Value;

pub(super) use super::side::local;
use super::{Failure, side::Side, stored_at::StoredAt};
use crate::evaluate::{self, MetricsRequest};

/// What to compare.
#[derive(Debug, Args)]
pub struct MetricsArgs {
    /// Features (.safetensors, .npy, .npz) or statistics (.npz, EDM2's .pkl) of the images: a path, s3://bucket/key or
    /// https://…; or a run, by its id, its name or the beginning of its id
    #[arg(long, value_name = "FILE|RUN")]
    features: PathBuf,
    /// Features, statistics or a run of the real images
    #[arg(long = "ref", value_name = "FILE|RUN")]
    reference: Option<PathBuf>,
    /// Which metrics, of: fid (Inception's), fd_dinov2, fd (any other detector's), fid-inf, fd-per-class, kid, kid-full,
    /// precision, recall, density, coverage, is, authenticity, duplicates [default: the distance of the detector that
    /// made the features, fd where nothing names it]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    metrics: Vec<String>,
    /// The detector that made the features, where the files do not say; chooses among the statistics of a .pkl and the
    /// features of a run
    #[arg(long, value_name = "NAME")]
    detector: Option<String>,
    /// Inception's weights, of whose last layer `is` has its class scores
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// Nearest neighbours that make a manifold [default: 3 for precision and recall, 5 for density and coverage]
    #[arg(long, value_name = "N")]
    k: Option<usize>,
    /// Seed of subsets and shuffles [default: 2020, as torch-fidelity's]
    #[arg(long, value_name = "N")]
    seed: Option<u32>,
    #[command(flatten)]
    place: StoredAt,
    /// JSON on stdout
    #[arg(long)]
    json: bool,
}

/// Prints the metrics.
pub async fn metrics(args: MetricsArgs) -> Result<u8, Failure> {
    let metrics = evaluate::named(&args.metrics)?;
    let mut addresses = Addresses::default();
    let mut sides = Vec::new();
    for side in [Some(&args.features), args.reference.as_ref()].into_iter().flatten() {
        sides.push(args.place.side(side, &mut addresses).await?);
    }
    let detector = args.detector.clone().or_else(|| sides.iter().find_map(Side::detector));
    let mut given = Vec::new();
    for side in sides {
        given.push(side.given(detector.as_deref(), &metrics).await?);
    }
    let mut given = given.into_iter();
    let features = given.next().context("no features")?;
    let weights = match args.weights {
        Some(weights) => Some(local(weights, &mut addresses).await?),
        None => None,
    };
    let request = MetricsRequest {
        features,
        reference: given.next(),
        detector: args.detector,
        metrics: args.metrics,
        weights,
        k: args.k,
        seed: args.seed,
    };
    // Minutes of arithmetic: no work for a thread that serves connections.
    let found = tokio::task::spawn_blocking(move || evaluate::metrics(&request)).await.context("metrics")?;
    let found = found.map_err(|error| Failure::from(error).at(&addresses))?;
    if args.json {
        out::json(Value::Object(found));
    } else {
        found.iter().for_each(|(name, value)| out::line(format!("{name}  {}", shown(value))));
    }
    Ok(exit::DONE)
}

/// The number, and what there is to say about it.
fn shown(value: &Value) -> String {
    let Some(number) = value.get("value") else { return value.to_string() };
    let sd = value["sd"].as_f64().map_or(String::new(), |sd| format!(" ± {sd}"));
    let deficient = (value["rank_deficient"] == true).then_some(
        "rank-deficient: fewer images than features on one side, or features that depend on each other"
            .to_owned(),
    );
    let clipped = value["sigma_clipped_mass"].as_f64().filter(|mass| *mass > 0.0);
    let clipped = clipped.map(|mass| format!("eigenvalues of sigma below 0 count as 0: {mass:e} in all"));
    let plain = ["n", "reference_images", "k", "subsets", "subset_size", "splits", "seed", "detector"];
    let plain = plain.iter().filter_map(|name| Some(format!("{name} {}", plain_text(value.get(name)?))));
    let interval = value.get("interval").map(|interval| format!("95 % {interval}"));
    let notes: Vec<String> = interval.into_iter().chain(plain).chain(deficient).chain(clipped).collect();
    if notes.is_empty() { format!("{number}{sd}") } else { format!("{number}{sd}  ({})", notes.join("; ")) }
}

fn plain_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use fidelis_metrics::registry::METRICS;

    #[test]
    fn every_metric_is_in_the_help() {
        let help = MetricsArgs::augment_args(clap::Command::new("metrics")).render_long_help().to_string();
        for entry in METRICS {
            let is_named = help.split([' ', ',', '\n']).any(|word| word == entry.id);
            assert!(is_named, "`{}` is not in the help", entry.id);
        }
    }
}
