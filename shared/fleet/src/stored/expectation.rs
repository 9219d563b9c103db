//! What repaired chunks must be again: the digests that were written down when the damage was set aside.

use std::collections::BTreeMap;

use crate::store::{Store, StoreError};
use bytes::Bytes;
use fidelis_contract::{
    ids::{ChunkIndex, Digest, RunId},
    keys,
    kind::Kind,
    manifest::ManifestEntry,
};

use super::{StoredError, fetch};

/// The digest of each object of a chunk.
pub type Digests = BTreeMap<Kind, Digest>;

/// Writes down what a chunk's objects were. What was written down first counts.
pub async fn note(
    store: &Store,
    run: &RunId,
    chunk: ChunkIndex,
    digests: &Digests,
) -> Result<(), StoreError> {
    let json = serde_json::json!(digests).to_string();
    match store.create(&keys::expectation(run, chunk), Bytes::from(json)).await {
        Err(StoreError::Conflict { .. }) => Ok(()),
        other => other.map(drop),
    }
}

/// Everything that was written down of a run. A note that cannot be read is as good as none.
pub async fn load(store: &Store, run: &RunId) -> Result<BTreeMap<ChunkIndex, Digests>, StoredError> {
    let listed = store.list(&keys::quarantine_prefix(run)).await?;
    let noted: Vec<(ChunkIndex, String)> = listed
        .into_iter()
        .filter_map(|object| Some((keys::parse_expectation_key(&object.key)?, object.key)))
        .collect();
    let keys: Vec<String> = noted.iter().map(|(_, key)| key.clone()).collect();
    let objects = fetch::all(store, &keys).await?;
    let read = noted.into_iter().zip(objects);
    Ok(read.filter_map(|((chunk, _), bytes)| Some((chunk, serde_json::from_slice(&bytes).ok()?))).collect())
}

/// Checks chunks against what they were at first.
pub fn check(
    run: &RunId,
    expected: &BTreeMap<ChunkIndex, Digests>,
    entries: &[ManifestEntry],
) -> Result<(), StoredError> {
    for entry in entries {
        let Some(first) = expected.get(&entry.chunk) else { continue };
        for (kind, &again) in &entry.objects {
            if let Some(&first) = first.get(kind).filter(|first| **first != again) {
                let key = keys::chunk(run, kind, entry.chunk);
                return Err(StoredError::OtherwiseAgain { key, first, again });
            }
        }
    }
    Ok(())
}
