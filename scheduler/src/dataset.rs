//! Images that exist as a run: the plan shards them, workers extract features, the reducer folds them. A seed is an
//! image's place in the dataset.

use std::path::Path;

use fidelis_contract::{
    outcome::{Class, Outcome},
    seeds::{Seeds, SeedsError},
    spec::{RunSpec, SpecError},
};
use fidelis_formats::{
    images::{Dataset, DatasetError},
    stats,
};
use serde_json::json;

use crate::formats::FeatureFile;

/// Who looks at the images, and what is made of what it sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatasetDetector {
    /// The detector's name.
    pub name: String,
    /// Its weights.
    pub weights: String,
    /// Statistics or features to compare with.
    pub reference: Option<String>,
}

/// Which images, seen by which detectors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatasetRequest {
    /// The run's name.
    pub name: &'static str,
    /// The images: a ZIP, a folder, an `.npz`, an idx file.
    pub data: String,
    /// One or more.
    pub detectors: Vec<DatasetDetector>,
    /// Leave out images that cannot be read.
    pub allow_unreadable: bool,
}

/// Why a dataset makes no run.
#[derive(Debug, thiserror::Error)]
pub enum DatasetRunError {
    /// It cannot be opened.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// More images than a run can have.
    #[error(transparent)]
    Seeds(#[from] SeedsError),
}

impl Outcome for DatasetRunError {
    fn class(&self) -> Class {
        match self {
            Self::Dataset(error) => error.class(),
            Self::Seeds(_) => Class::Usage,
        }
    }
}

impl DatasetRequest {
    /// The run, with one seed in place of those that only the dataset tells; relative paths are taken from `folder`.
    ///
    /// # Errors
    /// A name or option that no run has.
    pub fn draft(&self, folder: &Path) -> Result<RunSpec, SpecError> {
        let detectors = self.detectors.iter().map(|DatasetDetector { name, weights, reference }| {
            let mut detector = json!({ "name": name, "weights": weights });
            if let Some(reference) = reference {
                detector["reference"] = json!(reference);
            }
            detector
        });
        let spec = json!({
            "name": self.name,
            "engine": "dataset",
            "seeds": "0",
            "data": self.data,
            "allow_unreadable": self.allow_unreadable,
            "detectors": detectors.collect::<Vec<_>>(),
        });
        let mut spec = RunSpec::from_json(&spec.to_string(), "command line")?;
        spec.anchor(folder);
        spec.validate()?;
        Ok(spec)
    }
}

/// Whether there are images at `path`, as against statistics or features.
pub fn is_images(path: &Path) -> bool {
    let is_other = || {
        stats::kind_of(path).is_ok_and(|kind| kind != stats::Kind::None) || FeatureFile::open(path).is_ok()
    };
    path.is_dir() || (path.is_file() && !is_other() && Dataset::open(path).is_ok())
}

/// A seed for each image of the dataset at `path`.
///
/// # Errors
/// See [`DatasetRunError`].
pub fn seeds(path: &Path) -> Result<Seeds, DatasetRunError> {
    let num_images = Dataset::open(path)?.len();
    Ok(Seeds::from_ranges([(0, num_images - 1)])?)
}
