//! A file in S3 that is read here and there and never fetched whole.

use std::fmt;
use std::io;
use std::time::Duration;

use fidelis_contract::outcome::Outcome;
use fidelis_formats::images::ReadAt;

use super::FileError;
use crate::blocking;
use crate::retry::Backoff;
use crate::store::Store;

/// Long, since there may be no other way to go on; 5 minutes on average, on top of what a call of the store takes.
const OUTAGE: Backoff =
    Backoff { base: Duration::from_millis(500), cap: Duration::from_secs(30), max_attempts: 25 };

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
        let part = async || self.store.part(&self.key, position..end, self.mark.as_deref()).await;
        let part = blocking::wait(OUTAGE.run(part)).map_err(|error| {
            let kind = if error.is_retryable() { io::ErrorKind::TimedOut } else { io::ErrorKind::Other };
            io::Error::new(kind, error)
        })?;
        let url = || self.store.url_of(&self.key);
        let part =
            part.ok_or_else(|| io::Error::other(format!("`{}` was replaced or removed meanwhile", url())))?;
        // A server that ignores ranges would give the head.
        if part.len() as u64 != end - position {
            let cause =
                format!("`{}`: {} bytes came where {} were asked for", url(), part.len(), end - position);
            return Err(io::Error::other(cause));
        }
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
