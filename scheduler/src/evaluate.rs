//! `fidelis metrics` and `fidelis ref`: the same arithmetic as a run's, on files.

use fidelis_contract::outcome::{Class, Outcome};
use std::path::{Path, PathBuf};

use fidelis_formats::atomic;
use fidelis_formats::stats::{self, Statistics, npz};
use serde_json::{Map, Value};

use crate::formats::{FeatureFile, FormatError};
use crate::metrics::{Fold, Gaussian, MetricError, metric_of};

/// Rows per chunk, as a run's default: the same features give the same bits here and there.
const CHUNK_ROWS: u64 = 256;

/// What `fidelis metrics` is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricsRequest {
    /// Features or statistics of the images.
    pub features: PathBuf,
    /// Features or statistics to compare with.
    pub reference: PathBuf,
    /// Names the distance, as in a run (`inception`: `fid`); without it, it is called `fid`.
    pub detector: Option<String>,
    /// Which metrics; today only `fid`, whatever the detector makes of it.
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
    /// Neither features nor statistics by its name.
    #[error("`{0}`: give features as `.safetensors` or statistics as `.npz` or EDM2's `.pkl`")]
    Extension(PathBuf),
    /// Not among the metrics there are.
    #[error("unknown metric `{0}`: there is `fid`")]
    UnknownMetric(String),
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
    fn file(path: &Path) -> impl Fn(FormatError) -> Self {
        move |source| Self::File { path: path.to_owned(), source }
    }

    fn metric<E: Into<MetricError>>(path: &Path) -> impl Fn(E) -> Self {
        move |source| Self::Metric { path: path.to_owned(), source: source.into() }
    }
}

/// The metrics asked for, by name, as `--json` prints them: `{"fid": 12.3}`.
pub fn metrics(request: &MetricsRequest) -> Result<Map<String, Value>, EvaluateError> {
    if let Some(unknown) = request.metrics.iter().find(|name| *name != "fid") {
        return Err(EvaluateError::UnknownMetric(unknown.clone()));
    }
    let detector = request.detector.as_deref();
    let gaussian = |path: &Path| Gaussian::new(&load(path, detector)?).map_err(EvaluateError::metric(path));
    let (ours, theirs) = (gaussian(&request.features)?, gaussian(&request.reference)?);
    let distance = ours.distance(&theirs).map_err(EvaluateError::metric(&request.features))?;
    let name = detector.map_or("fid", metric_of);
    Ok(Map::from_iter([(name.to_owned(), Value::from(distance.value))]))
}

/// Writes the statistics of a features file as `.npz`, whole or not at all.
pub fn write_reference(features: &Path, dest: &Path) -> Result<Statistics, EvaluateError> {
    let statistics = load(features, None)?;
    let bytes = npz::encode(&statistics).map_err(EvaluateError::file(features))?;
    atomic::write(dest, &bytes).map_err(|error| EvaluateError::file(dest)(error.into()))?;
    Ok(statistics)
}

/// Statistics of a file: read from `.npz` or `.pkl`, or folded from the features of a `.safetensors`. `detector` chooses
/// among those of a `.pkl`.
pub fn load(path: &Path, detector: Option<&str>) -> Result<Statistics, EvaluateError> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("npz" | "pkl") => {
            let bytes = stats::read(path).map_err(EvaluateError::file(path))?;
            stats::decode(&bytes, detector).map_err(EvaluateError::file(path))
        }
        Some("safetensors") => fold(path),
        _ => Err(EvaluateError::Extension(path.to_owned())),
    }
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
    folded.total.statistics().map_err(EvaluateError::metric(path))
}
