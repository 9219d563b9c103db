//! The features that a complete run stored, each object checked against what names it.

use std::path::PathBuf;

use fidelis_contract::{
    detectors,
    ids::RunId,
    kind::Kind,
    manifest::{Manifest, ManifestError},
    outcome::{Class, Outcome},
    payload::{ChunkObject, PayloadError},
    run::Run,
};
use fidelis_fleet::{
    store::Store,
    stored::{self, StoredError, UnreadError},
};
use fidelis_metrics::{FeatureChunk, FeatureSet, Metric, MetricError, RowNames};

use super::StoredFeatures;
use crate::arithmetic::{self, ArithmeticError, Stored};

/// Why a run's features were not read.
#[derive(Debug, thiserror::Error)]
pub enum FeaturesError {
    /// The run has no such features, or several.
    #[error("run `{run}` has features of {found}: {next}")]
    Detector {
        /// Whose.
        run: RunId,
        /// What it has.
        found: String,
        /// What to do.
        next: String,
    },
    /// The run is not complete, or not what it should be.
    #[error(transparent)]
    Unread(Box<UnreadError>),
    /// Features that no metric can be computed from.
    #[error("run `{run}`: {source}")]
    Metric {
        /// Whose.
        run: RunId,
        /// What is wrong with them.
        source: MetricError,
    },
    /// An object without features in it.
    #[error("run `{run}`: {source}; `fidelis verify` says which object it is")]
    Payload {
        /// Whose.
        run: RunId,
        /// What is wrong with it.
        source: PayloadError,
    },
}

impl Outcome for FeaturesError {
    fn class(&self) -> Class {
        match self {
            Self::Unread(error) => error.class(),
            Self::Payload { .. } => Class::Integrity,
            Self::Detector { .. } | Self::Metric { .. } => Class::Usage,
        }
    }
}

fidelis_fleet::unread_by!(FeaturesError: StoredError, ManifestError, ArithmeticError);

impl StoredFeatures {
    /// Reads the features of a detector that is named; else of the one that goes with the metrics asked for, or of the
    /// only one there is.
    ///
    /// # Errors
    /// See [`FeaturesError`].
    pub async fn read(
        store: &Store,
        run: &Run,
        detector: Option<&str>,
        metrics: &[Metric],
    ) -> Result<Self, FeaturesError> {
        let detector = choose(run, detector, metrics)?;
        let receipts = stored::receipts(store, &run.id).await?;
        let manifest = Manifest::build(run, &receipts.stored)?;
        let found =
            receipts.stored.iter().map(|stored| (stored.receipt.chunk, stored.receipt.arithmetic)).collect();
        arithmetic::check(store, &run.id, run.spec.engine.kind(), &Stored { found, complete: true }).await?;
        let kind = Kind::Features(detector.clone());
        let mut features: Option<FeatureSet> = None;
        let mut chunks = stored::Chunks::of(store, &run.id, &kind, &manifest.chunks);
        while let Some(object) = chunks.next().await? {
            add(&mut features, object).map_err(|error| error.of(&run.id))?;
        }
        let features =
            features.ok_or_else(|| Failed::Metric(MetricError::TooFew { n: 0, needed: 2 }).of(&run.id))?;
        Ok(Self { run: PathBuf::from(run.id.as_str()), detector, features })
    }
}

/// Which of a run's detectors.
fn choose(run: &Run, asked: Option<&str>, metrics: &[Metric]) -> Result<String, FeaturesError> {
    let names: Vec<&str> = run.spec.detectors.iter().map(|detector| detector.name.as_str()).collect();
    let goes_with =
        |name: &&str| metrics.iter().any(|metric| metric.distance() == Some(detectors::Metric::of(name)));
    let fitting: Vec<&str> = match asked {
        Some(asked) => names.iter().copied().filter(|name| *name == asked).collect(),
        // Where none goes with the distance that is asked for, whoever computes it says why.
        None if names.iter().any(goes_with) => names.iter().copied().filter(goes_with).collect(),
        None => names.clone(),
    };
    let next = match (&fitting[..], &names[..], asked) {
        ([one], ..) => return Ok((*one).to_owned()),
        (_, [], _) => "give a run with a detector".to_owned(),
        (_, _, Some(asked)) => format!("none of `{asked}`"),
        _ => "say which by `--detector`".to_owned(),
    };
    let found = if names.is_empty() { "no detector".to_owned() } else { format!("`{}`", names.join("`, `")) };
    Err(FeaturesError::Detector { run: run.id.clone(), found, next })
}

/// What is wrong with an object, before it is said whose it is.
enum Failed {
    Metric(MetricError),
    Payload(PayloadError),
}

impl Failed {
    fn of(self, run: &RunId) -> FeaturesError {
        let run = run.clone();
        match self {
            Self::Metric(source) => FeaturesError::Metric { run, source },
            Self::Payload(source) => FeaturesError::Payload { run, source },
        }
    }
}

fn add(features: &mut Option<FeatureSet>, object: ChunkObject) -> Result<(), Failed> {
    let values = object.data.to_f32().map_err(Failed::Payload)?;
    // A chunk of which no image could be read has no rows, and no width.
    if values.is_empty() {
        return Ok(());
    }
    let dim = object.data.shape.get(1).copied().unwrap_or_default();
    let chunk = FeatureChunk { values, dim, names: RowNames::Seeds(object.seeds) };
    features
        .get_or_insert_with(|| FeatureSet::new(dim))
        .push(chunk, Some(&object.labels))
        .map_err(Failed::Metric)
}
