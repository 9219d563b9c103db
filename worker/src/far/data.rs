//! What a training reads, wherever it lies.

use std::path::PathBuf;
use std::sync::Arc;

use fidelis_contract::{address::Address, addresses::Addresses, spec::FileRef};
use fidelis_edm2::data::DataError;
use fidelis_edm2::train::Feed;
use fidelis_fleet::files::{FileError, FileSettings, Files, RangedFile};
use fidelis_fleet::store::{Store, StoreConfig};
use fidelis_formats::images::ReadAt;

use crate::fetching;

/// A dataset that can be opened.
#[derive(Debug, Clone)]
pub enum Data {
    /// A file or folder of this machine.
    Here(PathBuf),
    /// A ZIP in S3 that is read by ranges.
    Far { url: PathBuf, file: Arc<dyn ReadAt> },
}

/// Finds a dataset: a path; a ZIP in S3, which is not fetched; any other file by its address, which is fetched into the
/// cache. `addresses` learns which is which.
///
/// # Errors
/// There is no such file, or what kept the server from answering.
pub async fn open(
    address: &str,
    s3_endpoint: Option<&str>,
    addresses: &mut Addresses,
) -> Result<Data, FileError> {
    let file = FileRef::new(address.to_owned());
    match Address::of(&file)? {
        Address::Path(path) => Ok(Data::Here(path)),
        Address::S3 { bucket, key } if key.to_ascii_lowercase().ends_with(".zip") => {
            let endpoint = s3_endpoint.map(str::to_owned);
            let config = StoreConfig { url: format!("s3://{bucket}"), endpoint, ..StoreConfig::default() };
            let failed = |source| FileError::Store { file: file.shown(), source: Box::new(source) };
            let store = Store::connect(config).await.map_err(failed)?;
            let opened = RangedFile::open(store, &key, &file.shown()).await?;
            Ok(Data::Far { url: file.shown().into(), file: Arc::new(opened) })
        }
        _ => {
            let files = Files::new(FileSettings::from_env(s3_endpoint.map(str::to_owned)));
            let report = fetching::Report::default();
            let path = files.local(&file, &|transfer| report.tell(transfer)).await?.path;
            addresses.note(&path, &file);
            Ok(Data::Here(path))
        }
    }
}

impl Data {
    /// Opens it, to be read by `readers` threads in the order of `seed`.
    ///
    /// # Errors
    /// A dataset that cannot be read, or whose first image cannot.
    pub fn feed(&self, seed: u64, readers: usize) -> Result<Feed, DataError> {
        match self {
            Self::Here(path) => Feed::open(path, seed, readers),
            Self::Far { url, file } => Feed::of_zip((url, file.clone()), seed, readers),
        }
    }
}
