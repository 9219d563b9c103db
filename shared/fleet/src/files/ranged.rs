//! Files and folders in S3 that are read here and there and never fetched whole.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use fidelis_contract::outcome::Outcome;
use fidelis_formats::images::{Below, ReadAt};
use fidelis_formats::tree::TreeError;

use super::FileError;
use crate::blocking;
use crate::retry::Backoff;
use crate::store::Store;

/// Long, since there may be no other way to go on; 5 minutes on average, on top of what a call of the store takes.
const OUTAGE: Backoff =
    Backoff { base: Duration::from_millis(500), cap: Duration::from_secs(30), max_attempts: 25 };

/// More than any image has.
const MAX_OBJECT_BYTES: u64 = 256 << 20;

/// An object, as it was when it was opened. Read it from threads that may block, never from a task.
pub struct RangedFile {
    store: Store,
    key: String,
    num_bytes: u64,
    mark: Option<String>,
}

impl RangedFile {
    /// Opens the object at `key`, which is called `shown`.
    ///
    /// # Errors
    /// There is none, or what kept the store from answering.
    pub async fn open(store: Store, key: &str, shown: &str) -> Result<Self, FileError> {
        let failed = |source| FileError::Store { file: shown.to_owned(), source: Box::new(source) };
        let missing = || FileError::Missing { file: shown.to_owned() };
        let head = store.head(key).await.map_err(failed)?.ok_or_else(missing)?;
        let (num_bytes, mark) = (head.num_bytes, head.mark);
        Ok(Self { store, key: key.to_owned(), num_bytes, mark })
    }
}

impl fmt::Debug for RangedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RangedFile").field("url", &self.store.url_of(&self.key)).finish_non_exhaustive()
    }
}

impl ReadAt for RangedFile {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let end = self.num_bytes.min(position.saturating_add(buffer.len() as u64));
        if position >= end {
            return Ok(0);
        }
        let part = part(&self.store, &self.key, (position..end, self.mark.as_deref()))?;
        buffer[..part.len()].copy_from_slice(&part);
        Ok(part.len())
    }

    fn num_bytes(&self) -> io::Result<u64> {
        Ok(self.num_bytes)
    }

    fn is_far(&self) -> bool {
        true
    }
}

/// A part of an object, of the version that the mark tells; patient, as there may be no other way to go on.
fn part(store: &Store, key: &str, (range, mark): (Range<u64>, Option<&str>)) -> io::Result<Bytes> {
    let part = async || store.part(key, range.clone(), mark).await;
    let part = blocking::wait(OUTAGE.run(part)).map_err(|error| {
        let kind = if error.is_retryable() { io::ErrorKind::TimedOut } else { io::ErrorKind::Other };
        io::Error::new(kind, error)
    })?;
    let url = || store.url_of(key);
    let part =
        part.ok_or_else(|| io::Error::other(format!("`{}` was replaced or removed meanwhile", url())))?;
    let asked = range.end - range.start;
    // A server that ignores ranges would give the head.
    if part.len() as u64 != asked {
        let cause = format!("`{}`: {} bytes came where {asked} were asked for", url(), part.len());
        return Err(io::Error::other(cause));
    }
    Ok(part)
}

/// The objects below a prefix, as they were when it was opened. Read it from threads that may block, never from a task.
pub struct RangedFolder {
    store: Store,
    /// Ends in `/`.
    prefix: String,
    /// Names below the prefix, sorted, and how long they are.
    objects: Vec<(OsString, u64)>,
}

impl RangedFolder {
    /// Lists what lies below `prefix`, which is called `shown`.
    ///
    /// # Errors
    /// There is nothing, or what kept the store from answering.
    pub async fn open(store: Store, prefix: &str, shown: &str) -> Result<Self, FileError> {
        let prefix = format!("{}/", prefix.trim_end_matches('/'));
        let failed = |source| FileError::Store { file: shown.to_owned(), source: Box::new(source) };
        let listed = store.list(&prefix).await.map_err(failed)?;
        let objects = listed.into_iter().filter_map(|object| {
            let name = object.key.strip_prefix(&prefix)?;
            let is_file = name.split('/').all(|part| !part.is_empty() && !part.starts_with('.'));
            is_file.then(|| (OsString::from(name), object.num_bytes))
        });
        let objects: Vec<_> = objects.collect();
        if objects.is_empty() {
            return Err(FileError::Missing { file: shown.to_owned() });
        }
        Ok(Self { store, prefix, objects })
    }
}

impl fmt::Debug for RangedFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RangedFolder").field("url", &self.store.url_of(&self.prefix)).finish_non_exhaustive()
    }
}

impl Below for RangedFolder {
    fn files(&self) -> Result<Vec<OsString>, TreeError> {
        Ok(self.objects.iter().map(|(name, _)| name.clone()).collect())
    }

    fn read(&self, name: &OsStr) -> io::Result<Vec<u8>> {
        self.head(name, MAX_OBJECT_BYTES)
    }

    fn head(&self, name: &OsStr, num_bytes: u64) -> io::Result<Vec<u8>> {
        let found = self.objects.binary_search_by(|(known, _)| known.as_os_str().cmp(name));
        let (name, len) = &self.objects[found.map_err(|_| io::Error::from(io::ErrorKind::NotFound))?];
        if *len == 0 {
            return Ok(Vec::new());
        }
        let key = format!("{}{}", self.prefix, name.to_string_lossy());
        Ok(part(&self.store, &key, (0..num_bytes.min(*len), None))?.into())
    }

    fn is_far(&self) -> bool {
        true
    }
}
