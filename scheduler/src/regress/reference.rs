//! The real images that a spec's distances are to.

use std::{collections::BTreeMap, path::Path};

use fidelis_contract::spec::ResolvedSpec;
use fidelis_fleet::files::{Files, Progress};
use fidelis_metrics::Gaussian;

use super::RegressError;
use crate::evaluate;

/// By detector, of those that have a reference.
pub(super) async fn references(
    spec: &ResolvedSpec,
    files: &Files,
    progress: Progress<'_>,
) -> Result<BTreeMap<String, Gaussian>, RegressError> {
    let local = files.localized(spec, |field, _| field.ends_with(".reference"), progress);
    let local = local.await?;
    let mut found = BTreeMap::new();
    for detector in &local.detectors {
        let Some(file) = &detector.reference else { continue };
        let statistics = evaluate::load(Path::new(&file.path), Some(&detector.name))?;
        let gaussian = evaluate::check(Path::new(&file.path), &statistics, Some(&detector.name))?;
        found.insert(detector.name.clone(), gaussian);
    }
    Ok(found)
}
