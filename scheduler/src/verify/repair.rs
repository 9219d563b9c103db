//! Setting damaged objects aside. Nothing of them is lost: each moves under `quarantine/`, with its digest in its name.
//!
//! The order makes it safe to be interrupted anywhere, and to be done again: `_SUCCESS` goes first, so that no run
//! seems complete that is not (I5); then it is written down what the chunk must be again; then the damaged objects
//! go, and the receipt last, as long as which the chunk is not made again.

use std::collections::BTreeSet;

use fidelis_contract::{
    ids::{ChunkIndex, Digest, RunId},
    keys,
};
use fidelis_fleet::{
    store::{PART_BYTES, Store},
    stored::expectation,
};
use serde::Serialize;

use super::{Fault, FaultKind, Verification, VerifyError, training};

/// What was done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Repaired {
    /// Chunks that have no receipt any more: submitting the run makes them again.
    pub chunks: BTreeSet<ChunkIndex>,
    /// Objects set aside.
    pub moved: Vec<Moved>,
    /// States of a training that came after what is set aside: it goes on from an earlier one, and comes by them again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<String>,
    /// Whether the run has to be reported anew.
    pub unreported: bool,
}

/// An object set aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Moved {
    /// Where it lay.
    pub from: String,
    /// Where it lies.
    pub to: String,
}

/// Sets aside what a verification found damaged.
///
/// # Errors
/// What kept the store from answering; doing it again is safe.
pub async fn repair(store: &Store, found: &Verification) -> Result<Repaired, VerifyError> {
    let mut repaired = Repaired::default();
    // Made again, a training would lack what is lost: its receipt stays.
    let is_lost = |fault: &&Fault| {
        found.faults.iter().any(|lost| lost.kind == FaultKind::Lost && lost.chunk == fault.chunk)
    };
    let repairable = found.faults.iter().filter(|fault| fault.is_repairable() && !is_lost(fault));
    let faults: Vec<&Fault> = repairable.collect();
    if faults.is_empty() {
        return Ok(repaired);
    }
    if faults.iter().any(|fault| fault.kind != FaultKind::Stray) {
        store.remove(&keys::success(&found.run)).await?;
        store.remove(&keys::manifest(&found.run)).await?;
        repaired.unreported = true;
    }
    let missing: BTreeSet<ChunkIndex> = found.missing.iter().copied().collect();
    for &fault in &faults {
        let receipt = fault.chunk.map(|chunk| keys::receipt(&found.run, chunk));
        match (fault.kind, fault.chunk) {
            (FaultKind::Derived, _) | (FaultKind::Nondeterminism, _) => {}
            (FaultKind::Stray, _) | (_, None) => {
                repaired.moved.extend(set_aside(store, &found.run, &fault.key).await?);
            }
            (FaultKind::Arithmetic, Some(chunk)) => {
                for kind in &found.kinds {
                    let key = keys::chunk(&found.run, kind, chunk);
                    repaired.moved.extend(set_aside(store, &found.run, &key).await?);
                }
                repaired.chunks.insert(chunk);
            }
            (_, Some(chunk)) => {
                if let Some(note) = found.digests.get(&chunk) {
                    expectation::note(store, &found.run, chunk, note).await?;
                }
                if receipt.as_ref() != Some(&fault.key) {
                    repaired.moved.extend(set_aside(store, &found.run, &fault.key).await?);
                }
                if !missing.contains(&chunk) {
                    repaired.chunks.insert(chunk);
                }
            }
        }
    }
    let prefix = keys::training_prefix(&found.run);
    let snapshots: Vec<&str> =
        faults.iter().map(|fault| fault.key.as_str()).filter(|key| key.starts_with(&prefix)).collect();
    if !snapshots.is_empty() {
        for state in training::states_beyond(store, &found.run, &snapshots).await? {
            store.remove(&state).await?;
            repaired.removed.push(state);
        }
    }
    for &chunk in &repaired.chunks {
        repaired.moved.extend(set_aside(store, &found.run, &keys::receipt(&found.run, chunk)).await?);
    }
    Ok(repaired)
}

/// First a copy, then the removal; an object that is gone already is as good.
async fn set_aside(store: &Store, run: &RunId, key: &str) -> Result<Option<Moved>, VerifyError> {
    let Some(bytes) = store.get_large(key, PART_BYTES).await? else { return Ok(None) };
    let to = keys::quarantined(run, key, &Digest::of(&bytes));
    store.create(&to, bytes).await?;
    store.remove(key).await?;
    Ok(Some(Moved { from: key.to_owned(), to }))
}
