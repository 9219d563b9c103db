//! Objects of the store, several at a time, in the order asked for.

use std::collections::BTreeMap;

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

/// Gets every key, and what `read` makes of its bytes, which are not kept; each must be there.
pub(super) async fn all<T: Send + 'static>(
    store: &Store,
    keys: &[String],
    read: fn(&str, &Bytes) -> Result<T, StoredError>,
) -> Result<Vec<T>, StoredError> {
    let mut objects: Vec<Option<T>> = keys.iter().map(|_| None).collect();
    let mut waiting = keys.iter().cloned().enumerate();
    let mut under_way = JoinSet::new();
    loop {
        while under_way.len() < WIDTH
            && let Some((i, key)) = waiting.next()
        {
            let store = store.clone();
            under_way.spawn(async move {
                match store.get(&key).await? {
                    Some(bytes) => Ok((i, read(&key, &bytes)?)),
                    None => Err(StoredError::Gone { key }),
                }
            });
        }
        // All have come.
        let Some(done) = under_way.join_next().await else {
            return Ok(objects.into_iter().flatten().collect());
        };
        let (i, object) = done.map_err(|error| StoredError::Internal(error.to_string()))??;
        objects[i] = Some(object);
    }
}

/// Bytes of objects that are held before they are asked for.
const AHEAD_BYTES: usize = 128 << 20;
/// Objects got ahead before it is known how long one is.
const FIRST: usize = 4;

/// One kind's objects of some chunks in their order, each checked against its digest and the plan's seeds: got several at a
/// time, ahead of whoever takes them, in memory that does not depend on how many there are.
#[derive(Debug)]
pub struct Chunks<'a> {
    store: Store,
    run: RunId,
    kind: Kind,
    entries: &'a [ManifestEntry],
    /// Places of the next one to be taken and the next one to be got.
    next: (usize, usize),
    under_way: JoinSet<Result<(usize, ChunkObject), StoredError>>,
    ready: BTreeMap<usize, ChunkObject>,
    ahead: usize,
}

impl<'a> Chunks<'a> {
    /// Begins with the first ones as soon as one is asked for.
    pub fn of(store: &Store, run: &RunId, kind: &Kind, entries: &'a [ManifestEntry]) -> Self {
        let (store, run, kind) = (store.clone(), run.clone(), kind.clone());
        let (under_way, ready) = (JoinSet::new(), BTreeMap::new());
        Self { store, run, kind, entries, next: (0, 0), under_way, ready, ahead: FIRST }
    }

    /// The next one; `None` behind the last.
    ///
    /// # Errors
    /// It is not what the manifest says, or what kept the store from answering.
    pub async fn next(&mut self) -> Result<Option<ChunkObject>, StoredError> {
        loop {
            self.get_ahead();
            if let Some(object) = self.ready.remove(&self.next.0) {
                self.next.0 += 1;
                self.get_ahead();
                return Ok(Some(object));
            }
            let Some(done) = self.under_way.join_next().await else { return Ok(None) };
            let (place, object) = done.map_err(|error| StoredError::Internal(error.to_string()))??;
            self.ahead = (AHEAD_BYTES / object.data.data.len().max(1)).clamp(2, WIDTH);
            self.ready.insert(place, object);
        }
    }

    /// The next ones, as many as `most`; none behind the last.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub async fn wave(&mut self, most: usize) -> Result<Vec<ChunkObject>, StoredError> {
        let mut wave = Vec::with_capacity(most);
        while wave.len() < most
            && let Some(object) = self.next().await?
        {
            wave.push(object);
        }
        Ok(wave)
    }

    fn get_ahead(&mut self) {
        let (taken, got) = &mut self.next;
        while *got < self.entries.len().min(*taken + self.ahead) {
            let (place, entry) = (*got, self.entries[*got].clone());
            let (store, kind) = (self.store.clone(), self.kind.clone());
            let key = keys::chunk(&self.run, &kind, entry.chunk);
            self.under_way.spawn(async move {
                match store.get(&key).await? {
                    Some(bytes) => Ok((place, verified(&entry, &kind, &key, &bytes)?)),
                    None => Err(StoredError::Gone { key }),
                }
            });
            *got += 1;
        }
    }
}

/// One kind's objects of some chunks, all of them.
///
/// # Errors
/// As [`Chunks::next`].
pub async fn chunks(
    store: &Store,
    run: &RunId,
    kind: &Kind,
    entries: &[ManifestEntry],
) -> Result<Vec<ChunkObject>, StoredError> {
    Chunks::of(store, run, kind, entries).wave(entries.len()).await
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
