//! `fidelis metrics`, `fidelis compare` and `fidelis ref`: the same arithmetic as a run's, on files and on what runs stored.

mod distance;
mod error;
mod given;
mod others;
mod pair;
mod stored;

use std::path::PathBuf;

use fidelis_contract::detectors;
use fidelis_metrics::Metric;
use serde_json::{Map, Value};

pub use distance::check;
pub use error::EvaluateError;
pub use given::{Given, StoredFeatures, load};
pub use pair::{CompareRequest, Compared, pair};
pub use stored::FeaturesError;

/// What `fidelis metrics` is asked.
#[derive(Clone, Debug)]
pub struct MetricsRequest {
    /// Features or statistics of the images.
    pub features: Given,
    /// Features or statistics to compare with; some metrics need none.
    pub reference: Option<Given>,
    /// Whose features they are, where the files do not say; which section of a `.pkl`.
    pub detector: Option<String>,
    /// Which metrics; none: the distance that goes with the detector, `fd` where nothing tells it.
    pub metrics: Vec<String>,
    /// Inception's weights, for its class scores.
    pub weights: Option<PathBuf>,
    /// Neighbours that make a manifold's balls, where not each metric's own.
    pub k: Option<usize>,
    /// Of subsets and shuffles, where not torch-fidelity's.
    pub seed: Option<u32>,
}

impl MetricsRequest {
    /// The distance between two sides, and nothing more.
    pub fn new(features: impl Into<Given>, reference: impl Into<Given>) -> Self {
        Self {
            features: features.into(),
            reference: Some(reference.into()),
            detector: None,
            metrics: Vec::new(),
            weights: None,
            k: None,
            seed: None,
        }
    }
}

/// The metrics asked for, by name, as `--json` prints them: `{"fid": 12.3}`, or `{"fid": {"value": 12.3, …}}` where
/// there is something to say about the number.
///
/// # Errors
/// See [`EvaluateError`].
pub fn metrics(request: &MetricsRequest) -> Result<Map<String, Value>, EvaluateError> {
    let asked = named(&request.metrics)?;
    let (distances, others): (Vec<Metric>, _) =
        asked.into_iter().partition(|metric| metric.distance().is_some());
    let mut found = Map::new();
    if !others.is_empty() {
        others::add(request, &others, &mut found)?;
    }
    let mut distances: Vec<Option<detectors::Metric>> = distances.into_iter().map(Metric::distance).collect();
    if distances.is_empty() && others.is_empty() {
        distances.push(None);
    }
    let is_only = distances.len() == 1;
    for asked in distances {
        distance::add(request, asked, is_only, &mut found)?;
    }
    Ok(found)
}

/// The metrics of these names, each once.
///
/// # Errors
/// There is none of a name.
pub fn named(names: &[String]) -> Result<Vec<Metric>, EvaluateError> {
    let find = |name: &String| Metric::find(name).ok_or_else(|| EvaluateError::UnknownMetric(name.clone()));
    let mut metrics: Vec<Metric> = names.iter().map(find).collect::<Result<_, _>>()?;
    metrics.sort_unstable();
    metrics.dedup();
    Ok(metrics)
}

impl MetricsRequest {
    /// The reference that `metric` is about.
    fn reference(&self, metric: &'static str) -> Result<&Given, EvaluateError> {
        self.reference.as_ref().ok_or(EvaluateError::NoReference(metric))
    }
}
