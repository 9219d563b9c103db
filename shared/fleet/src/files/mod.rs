//! Files by address: a path, `file:`, `s3://` or `https://` in, a local path and its digest out.
//!
//! What is fetched lies in a cache under its digest and is fetched once per host, however many processes start together:
//! one holds the address's lock and downloads, the others wait. A download that broke off is resumed, in this process or
//! in the next.

mod cache;
mod download;
mod error;
mod http;
mod ranged;
mod remote;
mod resolve;
mod settings;

use std::{
    collections::HashMap,
    fs::{self, TryLockError},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use tokio::{sync::OnceCell, time::sleep};

pub use error::{FileError, ResolveError};
pub use ranged::{RangedFile, RangedFolder};
pub use resolve::Depth;
pub use settings::FileSettings;

use crate::{
    folder,
    store::{Store, StoreConfig},
};
use cache::{Cache, Slot, failed};
use download::Download;
use fidelis_contract::{address::Address, ids::Digest, spec::FileRef};
use remote::Remote;

/// How often a process that waits for another's download looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How far a download is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transfer<'a> {
    /// The address as it may be shown.
    pub file: &'a str,
    /// What is here.
    pub num_bytes: u64,
    /// Of how many, where the server says.
    pub total_bytes: Option<u64>,
}

/// Who is told of downloads; called for each piece that comes.
pub type Progress<'a> = &'a (dyn Fn(&Transfer<'_>) + Send + Sync);

/// A file at hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// Where it can be opened; ends as the address does, so that the kind of file is still seen.
    pub path: PathBuf,
    /// Its content, or that of a folder as [`folder::digest`] has it.
    pub sha256: Digest,
}

/// Makes files local. Clones share what they know.
#[derive(Debug, Clone)]
pub struct Files(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    settings: FileSettings,
    /// Files whose digest is known, as long as they stay what they were.
    digests: Mutex<HashMap<PathBuf, (Stamp, Digest)>>,
    stores: Mutex<HashMap<String, Arc<OnceCell<Store>>>>,
}

/// What changes when a file does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    num_bytes: u64,
    inode: u64,
    modified: Option<SystemTime>,
}

impl Files {
    /// Files as `settings` say.
    pub fn new(settings: FileSettings) -> Self {
        Self(Arc::new(Inner { settings, digests: Mutex::default(), stores: Mutex::default() }))
    }

    /// A local path of a file with the content that was meant: the file itself, or a copy of that digest in the cache, or
    /// else one fetched into the cache. Without a pinned digest, the server is asked each time whether the copy is still
    /// what it has. A file is hashed once per process, unless it changes.
    ///
    /// # Errors
    /// See [`FileError`].
    pub async fn local(&self, file: &FileRef, progress: Progress<'_>) -> Result<Located, FileError> {
        match Address::of(file)? {
            Address::Path(path) => self.local_path(&path, file).await,
            source => {
                let sha256 = self.fetched(&source, file, progress).await?;
                let path = self.cache()?.named(&sha256, &source.file_name())?;
                Ok(Located { path, sha256 })
            }
        }
    }

    async fn local_path(&self, path: &Path, file: &FileRef) -> Result<Located, FileError> {
        let found = self.digest(path).await;
        let error = match (found, file.sha256) {
            (Ok(found), Some(pinned)) if found != pinned => {
                FileError::Pin { file: file.path.clone(), pinned, found }
            }
            (Ok(sha256), _) => return Ok(Located { path: path.to_owned(), sha256 }),
            (Err(source), _) => FileError::Read { path: file.path.clone(), source },
        };
        // Another machine's path, perhaps, of a file that is known here.
        let Some((sha256, cache)) = file.sha256.zip(self.cache().ok()) else { return Err(error) };
        if !self.has(&cache, &sha256).await? {
            return Err(error);
        }
        Ok(Located { path: cache.named(&sha256, &Address::Path(path.into()).file_name())?, sha256 })
    }

    async fn fetched(
        &self,
        source: &Address,
        file: &FileRef,
        progress: Progress<'_>,
    ) -> Result<Digest, FileError> {
        let cache = self.cache()?;
        if let Some(pinned) = file.sha256
            && self.has(&cache, &pinned).await?
        {
            return Ok(pinned);
        }
        let slot = cache.slot(&file.path)?;
        let _lock = locked(&slot).await?;
        // Fetched by whoever had the lock before.
        if let Some(pinned) = file.sha256
            && self.has(&cache, &pinned).await?
        {
            return Ok(pinned);
        }
        let store = match source {
            Address::S3 { bucket, .. } => Some(self.store(bucket, file).await?),
            _ => None,
        };
        let remote = Remote { shown: file.shown(), source: source.clone(), store };
        let backoff = self.0.settings.backoff;
        let download = Download { remote: &remote, slot: &slot, pinned: file.sha256, backoff, progress };
        let sha256 = download.run().await?;
        // It was hashed as it came.
        self.note(&cache.content(&sha256), sha256);
        Ok(sha256)
    }

    /// Whether the cache has a content, undamaged; a damaged one is removed.
    async fn has(&self, cache: &Cache, digest: &Digest) -> Result<bool, FileError> {
        let path = cache.content(digest);
        match self.digest(&path).await {
            Ok(found) if found == *digest => Ok(true),
            Ok(found) => {
                tracing::warn!(
                    "`{}` in the cache is damaged, its sha256 is `{found}`: removed",
                    path.display()
                );
                fs::remove_file(&path).map_err(failed(&path))?;
                Ok(false)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(failed(&path)(error)),
        }
    }

    /// The digest of a local file or folder.
    async fn digest(&self, path: &Path) -> io::Result<Digest> {
        let stamp = stamp(path)?;
        let known = self.0.digests.lock().unwrap_or_else(PoisonError::into_inner).get(path).copied();
        if let Some((then, digest)) = known
            && then == stamp
        {
            return Ok(digest);
        }
        let hashed = tokio::task::spawn_blocking({
            let path = path.to_owned();
            move || folder::digest(&path)
        });
        let digest = hashed.await.map_err(io::Error::other)??;
        self.0.digests.lock().unwrap_or_else(PoisonError::into_inner).insert(path.into(), (stamp, digest));
        Ok(digest)
    }

    fn note(&self, path: &Path, digest: Digest) {
        if let Ok(stamp) = stamp(path) {
            self.0
                .digests
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(path.into(), (stamp, digest));
        }
    }

    fn cache(&self) -> Result<Cache, FileError> {
        self.0.settings.cache.as_deref().map(Cache::new).ok_or(FileError::NoCache)
    }

    /// The bucket, with the credentials and connections of an earlier file of it.
    async fn store(&self, bucket: &str, file: &FileRef) -> Result<Store, FileError> {
        let cell = {
            let mut stores = self.0.stores.lock().unwrap_or_else(PoisonError::into_inner);
            stores.entry(bucket.to_owned()).or_default().clone()
        };
        let config = StoreConfig { url: format!("s3://{bucket}"), ..self.0.settings.s3.clone() };
        let store = cell.get_or_try_init(|| Store::connect(config)).await;
        store.cloned().map_err(|source| FileError::Store { file: file.shown(), source: source.into() })
    }
}

/// The slot's lock, once nobody else has it. Looked at again and again, because a wait in the system could not be
/// called off.
async fn locked(slot: &Slot) -> Result<fs::File, FileError> {
    let file = slot.lock_file()?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => sleep(LOOK_EVERY).await,
            Err(TryLockError::Error(error)) => return Err(failed(&slot.part())(error)),
        }
    }
}

fn stamp(path: &Path) -> io::Result<Stamp> {
    let meta = fs::metadata(path)?;
    Ok(Stamp { num_bytes: meta.len(), inode: meta.ino(), modified: meta.modified().ok() })
}
