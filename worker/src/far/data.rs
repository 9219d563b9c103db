//! What a training reads, wherever it lies.

use std::path::PathBuf;
use std::sync::Arc;

use fidelis_contract::{
    address::{Address, without_slash},
    addresses::Addresses,
    spec::FileRef,
};
use fidelis_edm2::data::DataError;
use fidelis_edm2::train::Feed;
use fidelis_fleet::files::{FileError, FileSettings, Files, RangedFile, RangedFolder};
use fidelis_fleet::store::{Store, StoreConfig};
use fidelis_formats::images::{Place, ReadAt};

use crate::fetching;

/// A dataset that can be opened.
#[derive(Debug, Clone)]
pub enum Data {
    /// A file or folder of this machine.
    Here(PathBuf),
    /// What is in S3, and read by ranges.
    Far(Place),
}

/// Finds a dataset: a path; a file or a folder in S3, which is not fetched; a file of another server, which is fetched into
/// the cache. `addresses` learns which is which.
///
/// # Errors
/// There is no such file, or what kept the server from answering.
pub async fn open(
    address: &str,
    s3_endpoint: Option<&str>,
    addresses: &mut Addresses,
) -> Result<Data, FileError> {
    let file = FileRef::new(without_slash(address).to_owned());
    match Address::of(&file)? {
        Address::Path(path) => Ok(Data::Here(path)),
        Address::S3 { bucket, key } => {
            let endpoint = s3_endpoint.map(str::to_owned);
            let config = StoreConfig { url: format!("s3://{bucket}"), endpoint, ..StoreConfig::default() };
            let failed = |source| FileError::Store { file: file.shown(), source: Box::new(source) };
            let store = Store::connect(config).await.map_err(failed)?;
            far(&store, &key, &file.shown()).await.map(Data::Far)
        }
        Address::Http(_) => {
            let files = Files::new(FileSettings::from_env(s3_endpoint.map(str::to_owned)));
            let report = fetching::Report::default();
            let path = files.local(&file, &|transfer| report.tell(transfer)).await?.path;
            addresses.note(&path, &file);
            Ok(Data::Here(path))
        }
    }
}

/// What lies at `key`, which is called `shown`: a dataset in one file, as its name says, or else a folder.
async fn far(store: &Store, key: &str, shown: &str) -> Result<Place, FileError> {
    let (folder, name) = key.rsplit_once('/').map_or(("", key), |(folder, name)| (folder, name));
    if !Place::is_file_name(name) {
        let folder = RangedFolder::open(store.clone(), key, shown).await?;
        return Ok(Place::folder(shown.as_ref(), Arc::new(folder)));
    }
    let file = Arc::new(RangedFile::open(store.clone(), key, shown).await?);
    let beside = Place::labels_beside(name).map(|name| format!("{folder}/{name}"));
    let labels = match beside {
        Some(key) => match RangedFile::open(store.clone(), key.trim_start_matches('/'), shown).await {
            Ok(labels) => Some(Arc::new(labels) as Arc<dyn ReadAt>),
            Err(FileError::Missing { .. }) => None,
            Err(error) => return Err(error),
        },
        None => None,
    };
    Ok(Place::file(shown.as_ref(), file, labels))
}

impl Data {
    /// Opens it, to be read by `readers` threads in the order of `seed`.
    ///
    /// # Errors
    /// A dataset that cannot be read, or whose first image cannot.
    pub fn feed(&self, seed: u64, readers: usize) -> Result<Feed, DataError> {
        match self {
            Self::Here(path) => Feed::open(path, seed, readers),
            Self::Far(place) => Feed::of(place, seed, readers),
        }
    }
}
