//! Images that exist as a run: the plan shards them, workers extract features, the reducer folds them. A seed is an
//! image's place in the dataset.

use std::path::Path;

use fidelis_contract::{
    outcome::{Class, Outcome},
    seeds::{Seeds, SeedsError},
    spec::{RunSpec, SpecError},
};
use fidelis_formats::images::{Dataset, DatasetError};
use serde_json::json;

/// Which images, seen by which detector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatasetRequest {
    /// The run's name.
    pub name: &'static str,
    /// The images: a ZIP, a folder, an `.npz`, an idx file.
    pub data: String,
    /// The detector's name.
    pub detector: String,
    /// Its weights.
    pub weights: String,
    /// Statistics to compare with.
    pub reference: Option<String>,
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
        let mut detector = json!({ "name": self.detector, "weights": self.weights });
        if let Some(reference) = &self.reference {
            detector["reference"] = json!(reference);
        }
        let spec = json!({
            "name": self.name,
            "engine": "dataset",
            "seeds": "0",
            "data": self.data,
            "allow_unreadable": self.allow_unreadable,
            "detectors": [detector],
        });
        let mut spec = RunSpec::from_json(&spec.to_string(), "command line")?;
        spec.anchor(folder);
        spec.validate()?;
        Ok(spec)
    }
}

/// A seed for each image of the dataset at `path`.
///
/// # Errors
/// See [`DatasetRunError`].
pub fn seeds(path: &Path) -> Result<Seeds, DatasetRunError> {
    let num_images = Dataset::open(path)?.len();
    Ok(Seeds::from_ranges([(0, num_images - 1)])?)
}
