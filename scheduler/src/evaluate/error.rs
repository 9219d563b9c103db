use std::path::{Path, PathBuf};

use fidelis_contract::outcome::{Class, Outcome};
use fidelis_metrics::{MetricError, registry};

use crate::compare::SetsError;
use crate::formats::FormatError;

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
    #[error("unknown metric `{0}`: there are `{known}`", known = registry::known())]
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
    /// Statistics where every image counts.
    #[error(
        "`{metric}` is computed from features, and `{path}` holds statistics: give the features that they were made \
         of, as `fidelis-worker features` writes them, or a run of those images"
    )]
    NeedsFeatures {
        /// What was asked for.
        metric: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// One side where two are compared.
    #[error("`{0}` is a comparison: give `--ref`, the real images that it is with")]
    NoReference(&'static str),
    /// Two runs that cannot be compared.
    #[error("`{baseline}` and `{candidate}`: {source}")]
    Compare {
        /// What is compared with.
        baseline: PathBuf,
        /// What is judged.
        candidate: PathBuf,
        /// What is wrong.
        source: SetsError,
    },
    /// Features that give no class scores.
    #[error("`is` is computed from Inception's features, and these are of `{0}`: ask for another metric")]
    NotInception(String),
    /// No class scores without weights.
    #[error(
        "`is` needs class scores, which Inception's last layer makes of its features: give `--weights F`, the file that \
         made the features"
    )]
    NeedsWeights,
    /// Weights that are not Inception's.
    #[error(
        "`{path}` holds no `fc.weight` of floats [classes, features]: give the weights of Inception, as a state dict"
    )]
    NoLastLayer {
        /// The file.
        path: PathBuf,
    },
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
