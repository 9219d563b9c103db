//! `fidelis metrics` and `fidelis ref`: the same arithmetic as a run's, on files.

use fidelis_contract::{
    detectors::Metric,
    outcome::{Class, Outcome},
};
use std::path::{Path, PathBuf};

use fidelis_formats::stats::{self, Kind, Statistics};
use fidelis_metrics::{Fold, Frechet, Gaussian, MetricError};
use serde_json::{Map, Value, json};

use crate::formats::{FeatureFile, FormatError};

/// Rows per chunk, as a run's default: the same features give the same bits here and there.
const CHUNK_ROWS: u64 = 256;

/// What `fidelis metrics` is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricsRequest {
    /// Features or statistics of the images.
    pub features: PathBuf,
    /// Features or statistics to compare with.
    pub reference: PathBuf,
    /// Whose features they are, where the files do not say; which section of a `.pkl`.
    pub detector: Option<String>,
    /// Which metrics; none: the one that goes with the detector, `fd` where nothing tells it.
    pub metrics: Vec<String>,
}

/// Why files were not evaluated.
#[derive(Debug, thiserror::Error)]
pub enum EvaluateError {
    /// A file that cannot be read or written.
    #[error("`{path}`: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        source: FormatError,
    },
    /// Features without statistics, or statistics without a distance.
    #[error("`{path}`: {source}")]
    Metric {
        /// Whose.
        path: PathBuf,
        /// What is wrong.
        source: MetricError,
    },
    /// Not among the metrics there are.
    #[error("unknown metric `{0}`: there are `{known}`", known = Metric::ALL.map(Metric::id).join("`, `"))]
    UnknownMetric(String),
    /// Two sides of different detectors.
    #[error("`{path}` holds features of `{found}`, not of `{expected}`: both sides need the same detector")]
    Detector {
        /// The file.
        path: PathBuf,
        /// Whose they are.
        found: String,
        /// Whose they should be.
        expected: String,
    },
    /// A distance under the name of another.
    #[error(
        "the distance of features of `{detector}` is called `{its}`, not `{asked}`: leave out `--metrics {asked}`"
    )]
    OtherMetric {
        /// Whose they are.
        detector: String,
        /// What their distance is called.
        its: &'static str,
        /// What was asked for.
        asked: String,
    },
    /// Two names for one number.
    #[error("files that do not say whose features they hold are of one detector: ask for one of `{0}`")]
    OneDetector(String),
}

impl Outcome for EvaluateError {
    fn class(&self) -> Class {
        match self {
            Self::File { source, .. } => source.class(),
            _ => Class::Usage,
        }
    }
}

impl EvaluateError {
    pub(crate) fn file(path: &Path) -> impl Fn(FormatError) -> Self {
        move |source| Self::File { path: path.to_owned(), source }
    }

    pub(crate) fn metric<E: Into<MetricError>>(path: &Path) -> impl Fn(E) -> Self {
        move |source| Self::Metric { path: path.to_owned(), source: source.into() }
    }
}

/// The metrics asked for, by name, as `--json` prints them: `{"fid": 12.3}`, or `{"fid": {"value": 12.3, …}}` where
/// there is something to say about the number.
pub fn metrics(request: &MetricsRequest) -> Result<Map<String, Value>, EvaluateError> {
    if let Some(unknown) = request.metrics.iter().find(|name| Metric::find(name).is_none()) {
        return Err(EvaluateError::UnknownMetric(unknown.clone()));
    }
    let mut asked: Vec<Option<&str>> = request.metrics.iter().map(|name| Some(name.as_str())).collect();
    asked.dedup();
    if asked.is_empty() {
        asked.push(None);
    }
    let mut found = Map::new();
    for &metric in &asked {
        let (ours, theirs) = sides(request, metric)?;
        let detector = detector(request, [&ours, &theirs])?;
        if detector.is_none() && asked.len() > 1 {
            return Err(EvaluateError::OneDetector(request.metrics.join("`, `")));
        }
        let name = name(detector, metric)?;
        found.insert(name.to_owned(), shown(&distance(request, [&ours, &theirs])?));
    }
    Ok(found)
}

/// The statistics of both sides. What says itself whose it is comes first: it chooses among those of a `.pkl`.
fn sides(request: &MetricsRequest, metric: Option<&str>) -> Result<(Statistics, Statistics), EvaluateError> {
    let MetricsRequest { features, reference, detector, .. } = request;
    let asked = detector.as_deref();
    let implied = metric.and_then(Metric::find).and_then(Metric::detector).map(|detector| detector.name);
    if stats::kind_of(features).map_err(EvaluateError::file(features))? == Kind::Pickle {
        let theirs = load(reference, asked.or(implied))?;
        let ours = load(features, asked.or(theirs.detector.as_deref()).or(implied))?;
        return Ok((ours, theirs));
    }
    let ours = load(features, asked)?;
    let theirs = load(reference, asked.or(ours.detector.as_deref()).or(implied))?;
    Ok((ours, theirs))
}

/// Whose features both sides are, as far as files and command line say.
fn detector<'a>(
    request: &'a MetricsRequest,
    [ours, theirs]: [&'a Statistics; 2],
) -> Result<Option<&'a str>, EvaluateError> {
    let mut known = request.detector.as_deref();
    for (path, side) in [(&request.features, ours), (&request.reference, theirs)] {
        match (known, side.detector.as_deref()) {
            (Some(expected), Some(found)) if expected != found => {
                let (found, expected) = (found.to_owned(), expected.to_owned());
                return Err(EvaluateError::Detector { path: path.clone(), found, expected });
            }
            (known_before, found) => known = known_before.or(found),
        }
    }
    Ok(known)
}

/// What the distance is called.
fn name<'a>(detector: Option<&str>, asked: Option<&'a str>) -> Result<&'a str, EvaluateError> {
    let Some(detector) = detector else { return Ok(asked.unwrap_or("fd")) };
    let its = Metric::of(detector).id();
    match asked {
        Some(asked) if asked != its => {
            let (detector, asked) = (detector.to_owned(), asked.to_owned());
            Err(EvaluateError::OtherMetric { detector, its, asked })
        }
        _ => Ok(its),
    }
}

fn distance(request: &MetricsRequest, [ours, theirs]: [&Statistics; 2]) -> Result<Frechet, EvaluateError> {
    let gaussian = |path: &Path, side| Gaussian::new(side).map_err(EvaluateError::metric(path));
    let (first, second) = (gaussian(&request.features, ours)?, gaussian(&request.reference, theirs)?);
    first.distance(&second).map_err(EvaluateError::metric(&request.features))
}

fn shown(distance: &Frechet) -> Value {
    let &Frechet { value, clipped_mass, sigma_clipped_mass, rank_deficient } = distance;
    if !rank_deficient && sigma_clipped_mass == 0.0 {
        return value.into();
    }
    json!({
        "value": value,
        "rank_deficient": rank_deficient,
        "clipped_mass": clipped_mass,
        "sigma_clipped_mass": sigma_clipped_mass,
    })
}

/// Statistics of a file: read from `.npz` or `.pkl`, or folded from features. `detector` chooses among those of a
/// `.pkl`; the content decides which kind of file it is.
pub fn load(path: &Path, detector: Option<&str>) -> Result<Statistics, EvaluateError> {
    let failed = EvaluateError::file(path);
    match stats::kind_of(path).map_err(&failed)? {
        Kind::None => fold(path),
        _ => stats::read(path).and_then(|bytes| stats::decode(&bytes, detector)).map_err(failed),
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

fn fold(path: &Path) -> Result<Statistics, EvaluateError> {
    let mut file = FeatureFile::open(path).map_err(EvaluateError::file(path))?;
    let mut fold = Fold::new(file.num_rows(), 0);
    let mut starts = (0..file.num_rows()).step_by(CHUNK_ROWS as usize).peekable();
    while starts.peek().is_some() {
        let wave = starts.by_ref().take(Fold::wave()).map(|first| file.rows(first, CHUNK_ROWS));
        let wave = wave.collect::<Result<Vec<_>, _>>().map_err(EvaluateError::file(path))?;
        fold.push(&wave).map_err(EvaluateError::metric(path))?;
    }
    let folded = fold.finish().map_err(EvaluateError::metric(path))?;
    let statistics = folded.total.statistics().map_err(EvaluateError::metric(path))?;
    Ok(Statistics { detector: file.detector().map(str::to_owned), ..statistics })
}
