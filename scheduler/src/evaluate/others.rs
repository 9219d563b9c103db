//! Metrics that look at every image.

use std::path::Path;

use fidelis_contract::detectors;
use fidelis_formats::state_dict;
use fidelis_metrics::inception_score::LastLayer;
use fidelis_metrics::measure::DEFAULT_SEED;
use fidelis_metrics::{Gaussian, Inputs, Metric, Needs};
use serde_json::{Map, Value};

use super::distance::{detector, rests_on};
use super::given::{Features, Given};
use super::{EvaluateError, MetricsRequest};

/// Adds these metrics, none of which is a distance of statistics.
pub(super) fn add(
    request: &MetricsRequest,
    metrics: &[Metric],
    found: &mut Map<String, Value>,
) -> Result<(), EvaluateError> {
    let needs =
        |what: fn(&Metric) -> Needs, any: &[Needs]| metrics.iter().find(|metric| any.contains(&what(metric)));
    let reference_needs = |metric: &Metric| metric.entry().reference;
    let ours = features_for(&request.features, metrics.first())?;
    let for_features = needs(reference_needs, &[Needs::Features, Needs::Labels]);
    let theirs =
        for_features.map(|metric| features_for(request.reference(metric.id())?, Some(metric))).transpose()?;
    let mut says = [ours.detector.clone(), theirs.as_ref().and_then(|features| features.detector.clone())];
    let mut statistics = None;
    if let Some(metric) = needs(reference_needs, &[Needs::Statistics]) {
        let reference = request.reference(metric.id())?;
        let known = request.detector.as_deref().or(says[0].as_deref()).or(says[1].as_deref());
        let summary = reference.summary(known, false)?.statistics;
        let failed = EvaluateError::metric(reference.path());
        statistics = Some(Gaussian::new(&summary).map_err(failed)?);
        says[1] = says[1].take().or(summary.detector);
    }
    let detector = detector(request, [says[0].as_deref(), says[1].as_deref()])?;
    let for_logits = needs(|metric| metric.entry().ours, &[Needs::Logits]);
    let last_layer = for_logits.map(|_| last_layer(request.weights.as_deref(), detector)).transpose()?;
    let inputs = Inputs {
        ours: &ours.set,
        reference: theirs.as_ref().map(|features| &*features.set),
        statistics: statistics.as_ref(),
        last_layer: last_layer.as_ref(),
        k: request.k,
        seed: request.seed.unwrap_or(DEFAULT_SEED),
    };
    let measured = inputs.measure(metrics).map_err(EvaluateError::metric(request.features.path()))?;
    for one in measured {
        found.insert(one.metric.id().to_owned(), rests_on(one, detector).to_json());
    }
    Ok(())
}

/// The features of one side; `metric` is what wants them.
fn features_for<'a>(side: &'a Given, metric: Option<&Metric>) -> Result<Features<'a>, EvaluateError> {
    let refused = || EvaluateError::NeedsFeatures {
        metric: metric.map_or("", |metric| metric.id()),
        path: side.path().to_owned(),
    };
    side.features()?.ok_or_else(refused)
}

/// The layer that makes class scores of Inception's features.
fn last_layer(weights: Option<&Path>, detector: Option<&str>) -> Result<LastLayer, EvaluateError> {
    if let Some(other) = detector.filter(|name| detectors::Metric::of(name) != detectors::Metric::Fid) {
        return Err(EvaluateError::NotInception(other.to_owned()));
    }
    let path = weights.ok_or(EvaluateError::NeedsWeights)?;
    let state = state_dict::read(path).map_err(|error| EvaluateError::file(path)(error.source))?;
    let missing = || EvaluateError::NoLastLayer { path: path.to_owned() };
    let array = state.get("fc.weight").ok_or_else(missing)?;
    let &[_, dim] = &array.shape[..] else { return Err(missing()) };
    let weight = array.dtype.floats(&array.bytes).ok_or_else(missing)?;
    LastLayer::new(weight, dim).map_err(EvaluateError::metric(path))
}
