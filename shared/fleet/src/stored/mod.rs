//! A run as it lies in the store: its spec, which chunks there are, their receipts and objects, each checked against what
//! names it. Whoever reads a run (reduce, verify, status, exports) reads it through here.

mod arithmetic;
mod error;
pub mod expectation;
mod fetch;
mod receipts;
mod unread;

use std::collections::BTreeSet;

use fidelis_contract::{
    ids::{ChunkIndex, RunId},
    keys,
    run::Run,
    spec::{ResolvedSpec, SpecError},
};

use crate::store::{Store, StoreError};

pub use arithmetic::arithmetics;
pub use error::StoredError;
pub use fetch::{Chunks, chunks};
pub use receipts::{Receipts, load as receipts};
pub use unread::UnreadError;

/// The chunks whose receipts the store has: what resume is made of.
///
/// # Errors
/// What kept the store from answering.
pub async fn chunk_indices(store: &Store, run: &RunId) -> Result<BTreeSet<ChunkIndex>, StoreError> {
    let folder = store.folder(&keys::receipts_prefix(run)).await?;
    Ok(folder.objects.iter().filter_map(|object| keys::parse_receipt_key(&object.key)).collect())
}

/// Whether the run is cancelled, and not submitted again since. Redis says so too, unless it lost it.
///
/// # Errors
/// What kept the store from answering.
pub async fn is_cancelled(store: &Store, run: &RunId) -> Result<bool, StoreError> {
    Ok(store.get(&keys::cancelled(run)).await?.is_some())
}

/// Reads a run back from the store.
///
/// # Errors
/// [`StoredError::Unknown`], a damaged spec, what kept the store from answering.
pub async fn find(store: &Store, run: &RunId) -> Result<Run, StoredError> {
    let key = keys::spec(run);
    let bytes = store.get(&key).await?.ok_or_else(|| StoredError::Unknown(run.clone()))?;
    let found = Run::new(spec(&key, &bytes).map_err(StoredError::Damaged)?);
    if found.id == *run {
        return Ok(found);
    }
    let problem = format!("it describes run `{}`", found.id);
    Err(StoredError::Damaged(SpecError::Syntax { origin: key, problem }))
}

/// The spec that lies under `key`.
///
/// # Errors
/// It is none, or names no run.
pub fn spec(key: &str, bytes: &[u8]) -> Result<ResolvedSpec, SpecError> {
    ResolvedSpec::from_json(&String::from_utf8_lossy(bytes), key)
}
