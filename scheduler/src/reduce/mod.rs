//! From the store to a result: receipts → manifest → features, each object checked against its receipt → statistics,
//! distances, `result.json`. Reads nothing but the store and the spec's statistics files; doing it again changes nothing.
//! Only how fast the images were made is told by whoever saw it, and kept in `result.json`.

mod detector;
mod error;
mod held_out;
mod part;

use std::collections::BTreeMap;

use fidelis_contract::{
    arithmetic as arithmetics,
    ids::RunId,
    keys,
    manifest::{Manifest, StoredReceipt},
    receipt::{FIRST_ARITHMETIC, Unreadable},
    result::{Making, OtherMicroBatch, Provenance, RunResult, SCHEMA, Timing},
    run::Run,
    spec::{LocalSpec, RunSpec},
};
use fidelis_fleet::{store::Store, stored};

pub use error::ReduceError;
pub use part::{part, reference};

use crate::arithmetic::{self, Stored};

/// A complete run, verified.
#[derive(Debug)]
pub struct Reduced {
    /// What readers trust; stored.
    pub manifest: Manifest,
    /// Stored as `result.json`.
    pub result: RunResult,
}

/// Reduces a run and stores its manifest, statistics and result; `files` is its spec with the statistics on this machine.
///
/// # Errors
/// [`ReduceError::Unread`] while chunks are missing; integrity failures name the object.
pub async fn reduce(store: &Store, run: &Run, files: &LocalSpec) -> Result<Reduced, ReduceError> {
    reduce_made(store, (run, files), None).await
}

/// Reduces as [`reduce`] does; `making` is what the caller saw being made, if anything.
///
/// # Errors
/// As [`reduce`].
pub async fn reduce_made(
    store: &Store,
    (run, files): (&Run, &LocalSpec),
    making: Option<Making>,
) -> Result<Reduced, ReduceError> {
    let receipts = stored::receipts(store, &run.id).await?;
    let arithmetic = arithmetic_of(store, run, &receipts.stored).await?;
    let manifest = Manifest::build(run, &receipts.stored)?;
    let first = stored::expectation::load(store, &run.id, run.spec.engine.kind()).await?;
    stored::expectation::check(&run.id, &first, &manifest.chunks)?;
    receipts.check_sizes(&run.id)?;
    let receipts = receipts.stored;
    let unreadable = unreadable(&receipts);
    if manifest.num_images == 0 {
        let data = run.spec.engine.dataset().map(|images| images.data.shown()).unwrap_or_default();
        return Err(ReduceError::nothing_readable(data, unreadable));
    }
    let making = match making {
        Some(making) => Some(making),
        None => making_before(store, &run.id).await?,
    };
    let mut detectors = BTreeMap::new();
    for detector in &files.detectors {
        let folded = detector::fold(store, &manifest, &detector.name).await?;
        let (statistics, result) = detector::measure(detector, folded, manifest.num_images).await?;
        let npz = fidelis_formats::stats::npz::encode(&statistics);
        let npz = npz.map_err(|error| ReduceError::Internal(error.to_string()))?;
        let key = keys::stats(&run.id, &detector.name);
        store.replace(&key, npz.into(), "application/octet-stream").await?;
        detectors.insert(detector.name.clone(), result);
    }
    let result = RunResult {
        schema: SCHEMA,
        run: run.id.clone(),
        spec_digest: run.spec.digest(),
        name: run.spec.name.clone(),
        guidance: run.spec.engine.sampling().guidance,
        num_images: manifest.num_images,
        unreadable,
        other_micro_batch: OtherMicroBatch::among(&run.spec, receipts.iter().map(|stored| &stored.receipt)),
        detectors,
        timing: Timing::of(receipts.iter().map(|stored| &stored.receipt), making),
        provenance: Provenance { arithmetic, ..provenance(&run.spec, &receipts) },
    };
    store.replace(&keys::manifest(&run.id), manifest.to_json().into(), "application/json").await?;
    let json = result.to_json().map_err(|error| ReduceError::Internal(error.to_string()))?;
    store.replace(&keys::result(&run.id), json.into(), "application/json").await?;
    Ok(Reduced { manifest, result })
}

/// What an earlier result says of the making. One that cannot be read says nothing, and is made again anyway.
async fn making_before(store: &Store, run: &RunId) -> Result<Option<Making>, ReduceError> {
    let bytes = store.get(&keys::result(run)).await?;
    Ok(bytes.and_then(|bytes| RunResult::from_json(&bytes).ok()).and_then(|result| result.timing.making))
}

/// The arithmetic of a run of an engine whose arithmetic has moved on.
async fn arithmetic_of(
    store: &Store,
    run: &Run,
    receipts: &[StoredReceipt],
) -> Result<Option<u32>, ReduceError> {
    let found = receipts.iter().map(|stored| (stored.receipt.chunk, stored.receipt.arithmetic)).collect();
    let stored = Stored { found, complete: receipts.len() as u64 >= u64::from(run.plan.num_chunks()) };
    let arithmetic = arithmetic::check(store, &run.id, run.spec.engine.kind(), &stored).await;
    Ok(arithmetic?.filter(|_| arithmetics::of(run.spec.engine.kind()) != FIRST_ARITHMETIC))
}

fn unreadable(receipts: &[StoredReceipt]) -> Vec<Unreadable> {
    receipts.iter().flat_map(|stored| stored.receipt.unreadable.iter().cloned()).collect()
}

fn provenance(spec: &RunSpec, receipts: &[StoredReceipt]) -> Provenance {
    let receipts: Vec<_> = receipts.iter().map(|stored| &stored.receipt).collect();
    Provenance::of(spec, &receipts)
}
