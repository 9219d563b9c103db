//! Baselines that were accepted: where they lie, and reading them back.

use std::{fs, io::ErrorKind, path::PathBuf};

use bytes::Bytes;
use fidelis_contract::{
    baseline::Baseline,
    ids::{Digest, MAX_NAME_LEN},
    keys,
    text::is_name,
};
use fidelis_fleet::store::{Store, StoreError};

use super::{RegressError, sample::Sample};

/// A baseline and the way to its images.
#[derive(Clone, Debug)]
pub struct Kept {
    /// What was accepted.
    pub baseline: Baseline,
    /// Of its `baseline.json`.
    pub sha256: Digest,
    /// The folder of the file that it was read from, where it was one: its blocks may lie there.
    folder: Option<PathBuf>,
}

impl Kept {
    /// Reads the file `text`; where there is none, the newest baseline that the store has under that name, or with
    /// `name/number` that one.
    ///
    /// # Errors
    /// It is neither, or no baseline.
    pub async fn find(text: &str, store: Option<&Store>) -> Result<Self, RegressError> {
        let path = PathBuf::from(text);
        match fs::read(&path) {
            Ok(bytes) => {
                let folder = path.parent().map(PathBuf::from);
                return Self::read(&bytes, text, folder);
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(source) => return Err(RegressError::File { path, source }),
        }
        let unknown = || RegressError::Unknown(text.to_owned());
        let store = store.ok_or_else(unknown)?;
        let (name, number) = match text.split_once('/') {
            Some((name, number)) => (name, Some(number.parse().map_err(|_| unknown())?)),
            None => (text, None),
        };
        if !is_name(name, MAX_NAME_LEN) {
            return Err(unknown());
        }
        let kept = match number {
            Some(number) => Self::stored(store, name, number).await?,
            None => Self::newest(store, name).await?,
        };
        kept.ok_or_else(unknown)
    }

    /// The newest of a name, if there is any.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn newest(store: &Store, name: &str) -> Result<Option<Self>, RegressError> {
        let folders = store.folder(&keys::baselines_prefix(name)).await?.folders;
        let mut numbers: Vec<u32> =
            folders.iter().filter_map(|folder| keys::parse_baseline_folder(name, folder)).collect();
        numbers.sort_unstable();
        // One whose `baseline.json` is not there yet is being written, or was left off.
        while let Some(number) = numbers.pop() {
            if let Some(kept) = Self::stored(store, name, number).await? {
                return Ok(Some(kept));
            }
        }
        Ok(None)
    }

    async fn stored(store: &Store, name: &str, number: u32) -> Result<Option<Self>, RegressError> {
        let key = keys::baseline(name, number);
        let Some(bytes) = store.get(&key).await? else { return Ok(None) };
        Self::read(&bytes, &key, None).map(Some)
    }

    fn read(bytes: &[u8], origin: &str, folder: Option<PathBuf>) -> Result<Self, RegressError> {
        let baseline = Baseline::from_json(bytes);
        let baseline =
            baseline.map_err(|source| RegressError::Baseline { origin: origin.to_owned(), source })?;
        Ok(Self { baseline, sha256: Digest::of(bytes), folder })
    }

    /// The images of a block: beside the baseline's file, else out of the store.
    ///
    /// # Errors
    /// They are gone, or not those that were accepted.
    pub async fn block(&self, store: &Store, block: usize) -> Result<Sample, RegressError> {
        let Baseline { name, number, blocks, .. } = &self.baseline;
        let key = keys::baseline_block(name, *number, block as u32);
        let file = key.rsplit('/').next().unwrap_or_default();
        let beside = self.folder.as_ref().map(|folder| folder.join(file)).filter(|path| path.exists());
        let (origin, bytes) = match beside {
            Some(path) => match fs::read(&path) {
                Ok(bytes) => (path.display().to_string(), Some(Bytes::from(bytes))),
                Err(source) => return Err(RegressError::File { path, source }),
            },
            None => (key.clone(), store.get(&key).await?),
        };
        let refused = |problem: String| RegressError::Block { key: origin.clone(), problem };
        let bytes = bytes.ok_or_else(|| refused("is gone".to_owned()))?;
        let (found, expected) = (Digest::of(&bytes), blocks[block].sha256);
        if found != expected {
            return Err(refused(format!("has sha256 `{found}` instead of `{expected}`")));
        }
        Sample::decode(&bytes).map_err(refused)
    }
}

/// Stores a baseline and the images of its blocks, in their order; the baseline comes last.
///
/// # Errors
/// Somebody else has its number, or the store fails.
pub async fn store(store: &Store, baseline: &Baseline, blocks: Vec<Vec<u8>>) -> Result<Kept, RegressError> {
    let taken = |error| match error {
        StoreError::Conflict { .. } => RegressError::Taken(baseline.label()),
        other => other.into(),
    };
    for (block, bytes) in blocks.into_iter().enumerate() {
        let key = keys::baseline_block(&baseline.name, baseline.number, block as u32);
        store.create(&key, bytes.into()).await.map_err(taken)?;
    }
    let json = baseline.to_json().map_err(|error| RegressError::Internal(error.to_string()))?;
    let sha256 = Digest::of(&json);
    store.create(&keys::baseline(&baseline.name, baseline.number), json.into()).await.map_err(taken)?;
    Ok(Kept { baseline: baseline.clone(), sha256, folder: None })
}
