//! Objects of the store, several at a time, in the order asked for.

use crate::store::Store;
use bytes::Bytes;
use fidelis_contract::{
    ids::{Digest, RunId},
    keys,
    kind::Kind,
    manifest::ManifestEntry,
    payload::ChunkObject,
};
use tokio::task::JoinSet;

use super::StoredError;

/// Requests under way at once.
const WIDTH: usize = 16;

/// Gets every key; each must be there.
pub(super) async fn all(store: &Store, keys: &[String]) -> Result<Vec<Bytes>, StoredError> {
    let mut objects: Vec<Bytes> = vec![Bytes::new(); keys.len()];
    let mut waiting = keys.iter().cloned().enumerate();
    let mut under_way = JoinSet::new();
    loop {
        while under_way.len() < WIDTH
            && let Some((i, key)) = waiting.next()
        {
            let store = store.clone();
            under_way.spawn(async move {
                let object = store.get(&key).await?;
                object.map(|bytes| (i, bytes)).ok_or(StoredError::Gone { key })
            });
        }
        let Some(done) = under_way.join_next().await else { return Ok(objects) };
        let (i, bytes) = done.map_err(|error| StoredError::Internal(error.to_string()))??;
        objects[i] = bytes;
    }
}

/// Gets one kind's objects of some chunks, each checked against its digest and the plan's seeds.
pub async fn chunks(
    store: &Store,
    run: &RunId,
    kind: &Kind,
    entries: &[ManifestEntry],
) -> Result<Vec<ChunkObject>, StoredError> {
    let keys: Vec<String> = entries.iter().map(|entry| keys::chunk(run, kind, entry.chunk)).collect();
    let objects = all(store, &keys).await?;
    let parts = entries.iter().zip(&keys).zip(objects);
    parts.map(|((entry, key), bytes)| verified(entry, kind, key, &bytes)).collect()
}

fn verified(entry: &ManifestEntry, kind: &Kind, key: &str, bytes: &[u8]) -> Result<ChunkObject, StoredError> {
    let found = Digest::of(bytes);
    let expected = entry.objects.get(kind).copied();
    if expected != Some(found) {
        let expected = expected.map_or_else(|| "none".to_owned(), |digest| digest.to_string());
        return Err(StoredError::Altered { key: key.to_owned(), expected, found: found.to_string() });
    }
    let object = ChunkObject::decode(kind, bytes).map_err(|error| StoredError::payload(key, &error))?;
    if !object.seeds.iter().copied().eq(entry.rows()) {
        let detail = format!("its seeds are not `{}`", entry.seeds);
        return Err(StoredError::Payload { key: key.to_owned(), detail });
    }
    Ok(object)
}
