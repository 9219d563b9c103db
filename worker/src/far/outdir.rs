//! A prefix in S3 in the place of a folder.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use fidelis_contract::outcome::{Class, Outcome};
use fidelis_edm2::train::{Outdir, OutdirError};
use fidelis_fleet::blocking;
use fidelis_fleet::retry::Backoff;
use fidelis_fleet::store::{PART_BYTES, Store, StoreError};
use tokio::{select, time::sleep};

use crate::engine::{CancelFlag, Reason};

/// Waits while the store does not answer: what was computed is not thrown away for an outage.
const OUTAGE: Backoff =
    Backoff { base: Duration::from_millis(500), cap: Duration::from_secs(30), max_attempts: u32::MAX };

/// The objects directly below a prefix. Use it from threads that may block, never from a task.
pub struct StoreFolder {
    store: Store,
    /// Empty, or ends in `/`.
    prefix: String,
    /// Raised, nothing is waited for any more; and where what is written belongs to somebody else, nothing is written.
    cancel: CancelFlag,
}

impl StoreFolder {
    /// What lies below a prefix of a store.
    pub fn new(store: Store, prefix: &str, cancel: CancelFlag) -> Self {
        Self { store, prefix: prefix.to_owned(), cancel }
    }

    /// Tries until the store answers or there is no time left.
    fn persevere<T>(
        &self,
        (doing, name): (&'static str, &str),
        mut operation: impl AsyncFnMut() -> Result<T, StoreError>,
    ) -> Result<T, OutdirError> {
        let mut failures = 0;
        blocking::wait(async {
            loop {
                match operation().await {
                    Err(error) if error.is_retryable() && self.cancel.reason().is_none() => {
                        failures += 1;
                        tracing::warn!("{error}; trying again");
                        // Waiting is no sign of a device that hangs.
                        self.cancel.beat();
                        select! {
                            _ = self.cancel.raised() => {}
                            () = sleep(OUTAGE.bound(failures)) => {}
                        }
                    }
                    result => return result.map_err(|error| self.failed((doing, name), error)),
                }
            }
        })
    }

    fn failed(&self, (doing, name): (&'static str, &str), error: StoreError) -> OutdirError {
        let (class, place) = (error.class(), self.place(name).display().to_string());
        OutdirError { doing, place, source: error.into(), class }
    }

    fn missing(&self, name: &str) -> OutdirError {
        let place = self.place(name).display().to_string();
        OutdirError { doing: "read", place, source: "it is not there".into(), class: Class::Usage }
    }

    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// A zombie's files would lie between those of whoever has the work now.
    fn check_ours(&self, (doing, name): (&'static str, &str)) -> Result<(), OutdirError> {
        if self.cancel.reason() != Some(Reason::Lost) {
            return Ok(());
        }
        let place = self.place(name).display().to_string();
        let source = "the work is in other hands now".into();
        Err(OutdirError { doing, place, source, class: Class::Passing })
    }
}

impl fmt::Debug for StoreFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StoreFolder").field(&self.place("")).finish()
    }
}

impl Outdir for StoreFolder {
    fn list(&self) -> Result<Vec<String>, OutdirError> {
        let folder = self.persevere(("list", ""), async || self.store.folder(&self.prefix).await)?;
        let name = |key: &str| key.strip_prefix(&self.prefix).map(str::to_owned);
        Ok(folder.objects.iter().filter_map(|object| name(&object.key)).collect())
    }

    fn read(&self, name: &str) -> Result<Vec<u8>, OutdirError> {
        let key = self.key(name);
        let found = self.persevere(("read", name), async || self.store.get_large(&key, PART_BYTES).await)?;
        found.map(Into::into).ok_or_else(|| self.missing(name))
    }

    fn begin(&self, name: &str, num_bytes: usize) -> Result<(u64, Vec<u8>), OutdirError> {
        let key = self.key(name);
        let begun = self.persevere(("read", name), async || {
            let Some(head) = self.store.head(&key).await? else { return Ok(None) };
            let range = 0..head.num_bytes.min(num_bytes as u64);
            let part = self.store.part(&key, range, head.mark.as_deref()).await?;
            Ok(part.map(|part| (head.num_bytes, part.to_vec())))
        })?;
        begun.ok_or_else(|| self.missing(name))
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), OutdirError> {
        self.check_ours(("write", name))?;
        let key = self.key(name);
        self.persevere(("write", name), async || self.store.replace_large(&key, bytes, PART_BYTES).await)
    }

    fn remove(&self, name: &str) -> Result<(), OutdirError> {
        self.check_ours(("remove", name))?;
        let key = self.key(name);
        self.persevere(("remove", name), async || self.store.remove(&key).await)
    }

    fn place(&self, name: &str) -> PathBuf {
        self.store.url_of(&self.key(name)).into()
    }
}
