//! From the store to a result: receipts → manifest → features, each object checked against its receipt → statistics,
//! distances, `result.json`. Reads nothing but the store and the spec's statistics files; doing it again changes nothing.

mod detector;
mod error;
pub(crate) mod expectation;
mod fetch;
mod pictures;
mod receipts;

use std::collections::BTreeMap;

use fidelis_shared::failpoint::{Point, reach};
use fidelis_shared::ids::Digest;
use fidelis_shared::keys;
use fidelis_shared::manifest::{Expected, Manifest, StoredReceipt};
use fidelis_shared::receipt::Unreadable;
use fidelis_shared::spec::RunSpec;
use fidelis_shared::store::Store;

pub use error::ReduceError;
pub use pictures::contact_sheet;

use crate::report::{OtherMicroBatch, Provenance, RunResult, Timing, html, markdown};

/// A complete run, verified.
#[derive(Debug)]
pub struct Reduced {
    /// What readers trust; stored.
    pub manifest: Manifest,
    /// Stored as `result.json`.
    pub result: RunResult,
}

/// Reduces the run of a resolved spec and stores its manifest, statistics and result.
///
/// # Errors
/// [`ReduceError::Manifest`] while chunks are missing; integrity failures name the object.
pub async fn reduce(store: &Store, spec: &RunSpec) -> Result<Reduced, ReduceError> {
    let expected = Expected::of(spec);
    let receipts = receipts::load(store, &expected.run).await?;
    let manifest = Manifest::build(&expected, &receipts.stored)?;
    let first = expectation::load(store, &expected.run).await?;
    expectation::check(&expected.run, &first, &manifest.chunks)?;
    receipts.check_sizes(&expected.run)?;
    let receipts = receipts.stored;
    let unreadable = unreadable(&receipts);
    if let (0, Some(first)) = (manifest.num_images, unreadable.first()) {
        let data = spec.data.as_ref().map(|data| data.shown()).unwrap_or_default();
        let (name, cause) = (first.name.clone(), first.cause.clone());
        return Err(ReduceError::NothingReadable { num_images: unreadable.len(), data, name, cause });
    }
    let mut detectors = BTreeMap::new();
    for detector in &spec.detectors {
        let folded = detector::fold(store, &manifest, &detector.name).await?;
        let (statistics, result) = detector::measure(detector, folded).await?;
        let npz = fidelis_formats::stats::npz::encode(&statistics);
        let npz = npz.map_err(|error| ReduceError::Internal(error.to_string()))?;
        let key = keys::stats(&expected.run, &detector.name);
        store.replace(&key, npz.into(), "application/octet-stream").await?;
        detectors.insert(detector.name.clone(), result);
    }
    let result = RunResult {
        run: expected.run.clone(),
        spec_digest: expected.spec_digest,
        name: spec.name.clone(),
        guidance: spec.guidance,
        num_images: manifest.num_images,
        unreadable,
        other_micro_batch: OtherMicroBatch::among(spec, receipts.iter().map(|stored| &stored.receipt)),
        detectors,
        timing: Timing::of(receipts.iter().map(|stored| &stored.receipt)),
        provenance: provenance(spec, &receipts),
    };
    store.replace(&keys::manifest(&expected.run), manifest.to_json().into(), "application/json").await?;
    let json = result.to_json().map_err(|error| ReduceError::Internal(error.to_string()))?;
    store.replace(&keys::result(&expected.run), json.into(), "application/json").await?;
    Ok(Reduced { manifest, result })
}

fn unreadable(receipts: &[StoredReceipt]) -> Vec<Unreadable> {
    receipts.iter().flat_map(|stored| stored.receipt.unreadable.iter().cloned()).collect()
}

fn provenance(spec: &RunSpec, receipts: &[StoredReceipt]) -> Provenance {
    let receipts: Vec<_> = receipts.iter().map(|stored| &stored.receipt).collect();
    Provenance::of(spec, &receipts)
}

/// Stores a reduced run's own report, and `_SUCCESS` last (I5): it holds the manifest's digest.
pub async fn publish(store: &Store, reduced: &Reduced) -> Result<(), ReduceError> {
    let Reduced { manifest, result } = reduced;
    let runs = vec![result.clone()];
    let text = markdown(&runs);
    let sheet = contact_sheet(store, &[manifest]).await?;
    let page = html(&crate::report::Report { runs, sheet });
    store.replace(&keys::report_md(&result.run), text.into(), "text/markdown; charset=utf-8").await?;
    store.replace(&keys::report_html(&result.run), page.into(), "text/html; charset=utf-8").await?;
    reach(Point::ReduceBeforeSuccess, None);
    let success = format!("{}\n", Digest::of(&manifest.to_json()));
    store.replace(&keys::success(&result.run), success.into(), "text/plain").await?;
    Ok(())
}
