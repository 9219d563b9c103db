//! From a spec as somebody wrote it to one that can run: before anything is queued, everything is looked at.

use std::path::Path;

use fidelis_contract::{
    addresses::Addresses,
    outcome::{Class, Outcome, one_line},
    seeds::Seeds,
    spec::{ResolvedSpec, RunSpec, SpecError},
};
use fidelis_fleet::files::{Depth, Files, Progress, ResolveError};

use crate::fit;

/// Why a spec cannot run.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// A field is wrong.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// A distance of one image.
    #[error("`1` image has no covariance, and a detector's distance needs one: run at least 2 images")]
    OneImage,
    /// A file cannot be had.
    #[error(transparent)]
    Files(#[from] ResolveError),
    /// The files do not fit each other; local copies are called by their addresses.
    #[error("{0}")]
    Fit(String),
    /// A failure of our own.
    #[error("reading the files of the spec stopped: {0}; run it again")]
    Internal(String),
}

impl Outcome for PrepareError {
    fn class(&self) -> Class {
        match self {
            Self::Spec(error) => error.class(),
            Self::Files(error) => error.class(),
            Self::OneImage | Self::Fit(_) => Class::Usage,
            Self::Internal(_) => Class::Passing,
        }
    }
}

/// Makes a spec ready to run: checked, its files at hand, hashed and found to fit each other; `seeds` take the place of
/// its own.
///
/// # Errors
/// Whatever is wrong with it.
pub async fn prepare(
    mut spec: RunSpec,
    seeds: Option<&Seeds>,
    files: &Files,
    progress: Progress<'_>,
) -> Result<ResolvedSpec, PrepareError> {
    if let Some(seeds) = seeds {
        spec.seeds = seeds.clone();
    }
    spec.validate()?;
    if spec.seeds.len() < 2 && !spec.detectors.is_empty() {
        return Err(PrepareError::OneImage);
    }
    let spec = files.resolve(spec, Depth::Content, progress).await?;
    let local = files.localized(&spec, |_, file| file.is_url(), progress).await?;
    let mut addresses = Addresses::default();
    for ((_, file), (_, copy)) in spec.files().iter().zip(local.files()) {
        addresses.note(Path::new(&copy.path), file);
    }
    // Reads and parses: no work for a thread that serves connections.
    let checked = tokio::task::spawn_blocking(move || fit::check(&local)).await;
    checked
        .map_err(|error| PrepareError::Internal(error.to_string()))?
        .map_err(|error| PrepareError::Fit(addresses.restored(&one_line(&error))))?;
    Ok(spec)
}
