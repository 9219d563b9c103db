//! Where a training's files lie: a folder, or a prefix in S3.

use std::{
    io::{self, ErrorKind},
    path::PathBuf,
};

use bytes::Bytes;
use fidelis_contract::{
    outcome::{Class, Outcome},
    spec::FileRef,
};
use fidelis_fleet::store::{Store, StoreConfig, StoreError};
use fidelis_formats::atomic;

/// What `--outdir` of a training named.
#[derive(Debug)]
pub enum Place {
    Folder(PathBuf),
    Bucket(Store),
}

/// It cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    #[error("cannot use `{}`: {source}; name the `--outdir` of a training", path.display())]
    Folder { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Outcome for PlaceError {
    fn class(&self) -> Class {
        match self {
            Self::Folder { source, .. } => source.class(),
            Self::Store(error) => error.class(),
        }
    }
}

impl Place {
    /// A folder, or `s3://bucket/prefix` at an S3 server.
    ///
    /// # Errors
    /// The server cannot be used.
    pub async fn open(outdir: &str, endpoint: Option<String>) -> Result<Self, PlaceError> {
        if !outdir.starts_with("s3://") {
            let path = PathBuf::from(outdir);
            let absolute = std::path::absolute(&path);
            return Ok(Self::Folder(absolute.map_err(|source| PlaceError::Folder { path, source })?));
        }
        let config = StoreConfig { url: outdir.to_owned(), endpoint, ..StoreConfig::default() };
        Ok(Self::Bucket(Store::connect(config).await?))
    }

    /// Names of all files.
    ///
    /// # Errors
    /// They cannot be listed; a folder that is not there yet is empty.
    pub async fn names(&self) -> Result<Vec<String>, PlaceError> {
        match self {
            Self::Folder(path) => {
                let names = || -> io::Result<Vec<String>> {
                    let entries = std::fs::read_dir(path)?.collect::<io::Result<Vec<_>>>()?;
                    Ok(entries.into_iter().filter_map(|entry| entry.file_name().into_string().ok()).collect())
                };
                self.unless_missing(names())
            }
            Self::Bucket(store) => {
                Ok(store.folder("").await?.objects.into_iter().map(|object| object.key).collect())
            }
        }
    }

    /// A file; empty where it is not there.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn read(&self, name: &str) -> Result<Bytes, PlaceError> {
        match self {
            Self::Folder(path) => Ok(self.unless_missing(std::fs::read(path.join(name)))?.into()),
            Self::Bucket(store) => Ok(store.get(name).await?.unwrap_or_default()),
        }
    }

    /// Writes a file as a whole.
    ///
    /// # Errors
    /// It cannot be written.
    pub async fn write(&self, name: &str, text: String) -> Result<(), PlaceError> {
        match self {
            Self::Folder(path) => {
                let written = atomic::write(&path.join(name), text.as_bytes());
                written.map_err(|source| PlaceError::Folder { path: path.clone(), source })
            }
            Self::Bucket(store) => Ok(store.replace(name, Bytes::from(text), "application/jsonl").await?),
        }
    }

    /// As a spec names a file of it.
    pub fn file(&self, name: &str) -> FileRef {
        FileRef::new(match self {
            Self::Folder(path) => path.join(name).display().to_string(),
            Self::Bucket(store) => store.url_of(name),
        })
    }

    fn unless_missing<T: Default>(&self, result: io::Result<T>) -> Result<T, PlaceError> {
        match (self, result) {
            (_, Err(error)) if error.kind() == ErrorKind::NotFound => Ok(T::default()),
            (Self::Folder(path), Err(source)) => Err(PlaceError::Folder { path: path.clone(), source }),
            (_, result) => Ok(result.unwrap_or_default()),
        }
    }
}
