//! Fréchet distances: which one is meant, of which detector, and what there is to say about it.

use std::path::Path;

use fidelis_contract::detectors::{self, Metric};
use fidelis_formats::stats::{Kind, Statistics};
use fidelis_metrics::{Gaussian, Measured, jackknife, registry};
use serde_json::{Map, Value};

use super::given::{Given, Summary};
use super::{EvaluateError, MetricsRequest};

/// Adds the distance of this name; `None`: the one that goes with the detector, `fd` where nothing tells it.
pub(super) fn add(
    request: &MetricsRequest,
    asked: Option<Metric>,
    is_only: bool,
    found: &mut Map<String, Value>,
) -> Result<(), EvaluateError> {
    let (ours, theirs) = sides(request, asked)?;
    let known = [ours.statistics.detector.as_deref(), theirs.statistics.detector.as_deref()];
    let detector = detector(request, known)?;
    if detector.is_none() && !is_only {
        return Err(EvaluateError::OneDetector(request.metrics.join("`, `")));
    }
    let metric = metric(detector, asked)?;
    found.insert(metric.id().to_owned(), shown(request, metric, detector, [&ours, &theirs])?);
    Ok(())
}

/// The statistics of both sides. What says itself whose it is comes first: it chooses among those of a `.pkl`.
fn sides(request: &MetricsRequest, metric: Option<Metric>) -> Result<(Summary, Summary), EvaluateError> {
    let MetricsRequest { features, detector, .. } = request;
    let reference = request.reference(metric.unwrap_or(Metric::Fd).id())?;
    let asked = detector.as_deref();
    let implied = metric.and_then(Metric::detector).map(|detector| detector.name);
    if features.kind()? == Kind::Pickle {
        let theirs = reference.summary(asked.or(implied), false)?;
        let ours = features.summary(asked.or(theirs.statistics.detector.as_deref()).or(implied), false)?;
        return Ok((ours, theirs));
    }
    let ours = features.summary(asked, true)?;
    let theirs = reference.summary(asked.or(ours.statistics.detector.as_deref()).or(implied), false)?;
    Ok((ours, theirs))
}

/// Whose features both sides are, as far as files and command line say: `[ours, theirs]`.
pub(super) fn detector<'a>(
    request: &'a MetricsRequest,
    [ours, theirs]: [Option<&'a str>; 2],
) -> Result<Option<&'a str>, EvaluateError> {
    let reference = request.reference.as_ref().unwrap_or(&request.features);
    agreed(request.detector.as_deref(), &[(&request.features, ours), (reference, theirs)])
}

/// The one detector of all sides, of those that say.
pub(super) fn agreed<'a>(
    asked: Option<&'a str>,
    sides: &[(&Given, Option<&'a str>)],
) -> Result<Option<&'a str>, EvaluateError> {
    let mut known = asked;
    for (side, says) in sides {
        match (known, says) {
            (Some(expected), Some(found)) if expected != *found => {
                let (found, expected) = ((*found).to_owned(), expected.to_owned());
                return Err(EvaluateError::Detector { path: side.path().to_owned(), found, expected });
            }
            (known_before, found) => known = known_before.or(*found),
        }
    }
    Ok(known)
}

/// What the distance is called.
fn metric(detector: Option<&str>, asked: Option<Metric>) -> Result<Metric, EvaluateError> {
    let Some(detector) = detector else { return Ok(asked.unwrap_or(Metric::Fd)) };
    let its = Metric::of(detector);
    match asked {
        Some(asked) if asked != its => {
            let (detector, asked) = (detector.to_owned(), asked.id().to_owned());
            Err(EvaluateError::OtherMetric { detector, its: its.id(), asked })
        }
        _ => Ok(its),
    }
}

/// A number where both sides are statistics and there is nothing to say about it, else an object with `value`.
fn shown(
    request: &MetricsRequest,
    metric: Metric,
    detector: Option<&str>,
    [ours, theirs]: [&Summary; 2],
) -> Result<Value, EvaluateError> {
    let gaussian = |side: &Given, summary: &Summary| {
        Gaussian::new(&summary.statistics).map_err(EvaluateError::metric(side.path()))
    };
    let reference = request.reference(metric.id())?;
    let (first, second) = rayon::join(|| gaussian(&request.features, ours), || gaussian(reference, theirs));
    let (first, second) = (first?, second?);
    let path = request.features.path();
    let (distance, sd) = match &ours.folded {
        Some(folded) => {
            let estimate = jackknife::estimate(&first, (&folded.total, &folded.blocks), &second);
            let estimate = estimate.map_err(EvaluateError::metric(path))?;
            (estimate.distance, estimate.sd())
        }
        None => (first.distance(&second).map_err(EvaluateError::metric(path))?, None),
    };
    if sd.is_none() && !distance.rank_deficient && distance.sigma_clipped_mass == 0.0 {
        return Ok(distance.value.into());
    }
    let id = registry::Metric::find(metric.id()).unwrap_or(registry::Metric::Fd);
    let measured = Measured::new(id, distance.value, ours.statistics.num_images).with_sd(sd);
    let measured =
        Measured { reference_images: Some(theirs.statistics.num_images).filter(|&n| n > 0), ..measured };
    let measured = measured.with("rank_deficient", distance.rank_deficient);
    let measured = measured.with("clipped_mass", distance.clipped_mass);
    let measured = measured.with("sigma_clipped_mass", distance.sigma_clipped_mass);
    Ok(rests_on(measured, detector).to_json())
}

/// With the detector, and what it does to pixels where that is known.
pub(super) fn rests_on(measured: Measured, detector: Option<&str>) -> Measured {
    let Some(name) = detector else { return measured };
    let measured = measured.with("detector", name);
    match detectors::find(name) {
        Some(detector) => measured.with("preprocessing", detector.preprocessing),
        None => measured,
    }
}

/// Checks that statistics are a mean and a covariance, and of `detector` as far as they say.
///
/// # Errors
/// They are not.
pub fn check(
    path: &Path,
    statistics: &Statistics,
    detector: Option<&str>,
) -> Result<Gaussian, EvaluateError> {
    if let (Some(found), Some(expected)) = (&statistics.detector, detector)
        && found != expected
    {
        let (path, found, expected) = (path.to_owned(), found.clone(), expected.to_owned());
        return Err(EvaluateError::Detector { path, found, expected });
    }
    Gaussian::new(statistics).map_err(EvaluateError::metric(path))
}
