//! What repaired chunks must be again: the digests that were written down when the damage was set aside. Of a chunk that
//! was made in another arithmetic nothing is to be expected.

use std::collections::BTreeMap;

use crate::store::{Store, StoreError};
use bytes::Bytes;
use fidelis_contract::{
    arithmetic,
    ids::{ChunkIndex, Digest, RunId},
    keys,
    kind::Kind,
    manifest::ManifestEntry,
    receipt::FIRST_ARITHMETIC,
    spec::EngineKind,
};
use serde::{Deserialize, Serialize};

use super::{StoredError, fetch};

/// The digest of each object of a chunk.
pub type Digests = BTreeMap<Kind, Digest>;

/// A note as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Note {
    /// Of an arithmetic that moved on.
    Versioned {
        /// Which.
        arithmetic: u32,
        /// The objects' digests.
        objects: Digests,
    },
    /// Of the first.
    First(Digests),
}

impl Note {
    /// The note of objects that were made in `arithmetic`.
    pub fn new(arithmetic: u32, objects: Digests) -> Self {
        if arithmetic == FIRST_ARITHMETIC {
            Self::First(objects)
        } else {
            Self::Versioned { arithmetic, objects }
        }
    }

    fn arithmetic(&self) -> u32 {
        match self {
            Self::Versioned { arithmetic, .. } => *arithmetic,
            Self::First(_) => FIRST_ARITHMETIC,
        }
    }

    fn into_objects(self) -> Digests {
        let (Self::Versioned { objects, .. } | Self::First(objects)) = self;
        objects
    }
}

/// Writes down what a chunk's objects were. What was written down first counts, unless it is of another arithmetic.
pub async fn note(store: &Store, run: &RunId, chunk: ChunkIndex, note: &Note) -> Result<(), StoreError> {
    let (key, json) = (keys::expectation(run, chunk), Bytes::from(serde_json::json!(note).to_string()));
    match store.create(&key, json.clone()).await {
        Err(StoreError::Conflict { .. }) => {}
        other => return other.map(drop),
    }
    let first: Option<Note> = store.get(&key).await?.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    if first.is_some_and(|first| first.arithmetic() != note.arithmetic()) {
        store.replace(&key, json, "application/json").await?;
    }
    Ok(())
}

/// Everything that was written down of a run in the present arithmetic of its engine. A note that cannot be read is as
/// good as none.
pub async fn load(
    store: &Store,
    run: &RunId,
    engine: EngineKind,
) -> Result<BTreeMap<ChunkIndex, Digests>, StoredError> {
    let listed = store.list(&keys::quarantine_prefix(run)).await?;
    let noted: Vec<(ChunkIndex, String)> = listed
        .into_iter()
        .filter_map(|object| Some((keys::parse_expectation_key(&object.key)?, object.key)))
        .collect();
    let keys: Vec<String> = noted.iter().map(|(_, key)| key.clone()).collect();
    let found = fetch::all(store, &keys, |_, bytes| Ok(serde_json::from_slice(bytes).ok())).await?;
    let read = noted.into_iter().zip(found);
    let notes = read.filter_map(|((chunk, _), note): (_, Option<Note>)| {
        let note = note?;
        (note.arithmetic() == arithmetic::of(engine)).then(|| (chunk, note.into_objects()))
    });
    Ok(notes.collect())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_of_the_first_arithmetic_keep_their_form() {
        let objects: Digests = [(Kind::Latents, Digest([7; 32]))].into();
        let hex = "07".repeat(32);
        let stored = |note: &Note| serde_json::json!(note).to_string();
        let (first, second) = (Note::new(1, objects.clone()), Note::new(2, objects));
        assert_eq!(stored(&first), format!(r#"{{"latents":"{hex}"}}"#));
        assert_eq!(stored(&second), format!(r#"{{"arithmetic":2,"objects":{{"latents":"{hex}"}}}}"#));
        for note in [first, second] {
            assert_eq!(serde_json::from_str::<Note>(&stored(&note)).unwrap(), note);
        }
    }
}
