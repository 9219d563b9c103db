//! What a command compares: a file by path or address, or a run out of a store or of the folder of a `fidelis local`.

use std::{
    env,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::anyhow;
use fidelis_contract::{addresses::Addresses, exit, run::Run, spec::FileRef};
use fidelis_fleet::files::FileError;
use fidelis_metrics::Metric;

use super::{
    Failure,
    fleet::files,
    stored_at::{Opened, StoredAt},
    target::Target,
    transfer::Transfers,
};
use crate::evaluate::{Given, StoredFeatures};
use crate::formats::FeatureFile;

/// One side, before its features are read.
#[derive(Debug)]
pub enum Side {
    File(PathBuf),
    Run(Box<Run>, Arc<Opened>),
}

impl StoredAt {
    /// A file where there is one of that name, else a run.
    pub async fn side(&self, name: &Path, addresses: &mut Addresses) -> Result<Side, Failure> {
        let path = local(name.to_owned(), addresses).await?;
        let text = name.to_str().filter(|_| !path.exists());
        let Some((text, target)) = text.and_then(|text| Some((text, Target::named(text).ok()?))) else {
            return Ok(Side::File(path));
        };
        let opened = self.open().await.map_err(|failure| {
            let text = format!("`{text}` is no file, and if it is a run, {failure}");
            Failure::new(failure.code, anyhow!(text))
        })?;
        let run = target.find(opened.store()).await?;
        Ok(Side::Run(Box::new(run), opened))
    }
}

impl Side {
    /// Whose features a file says it holds: so much tells which of a run's are meant.
    pub fn detector(&self) -> Option<String> {
        match self {
            Self::File(path) => FeatureFile::open(path).ok()?.detector().map(str::to_owned),
            Self::Run(..) => None,
        }
    }

    /// The reference that a run's spec names for a detector, or for its only one.
    ///
    /// # Errors
    /// It names none, or the file cannot be had.
    pub async fn reference(
        &self,
        detector: Option<&str>,
        addresses: &mut Addresses,
    ) -> Result<Self, Failure> {
        let of_spec = match self {
            Self::File(_) => None,
            Self::Run(run, _) => match (detector, &run.spec.detectors[..]) {
                (None, [only]) => only.reference.clone(),
                (name, all) => {
                    let named = all.iter().find(|detector| Some(detector.name.as_str()) == name);
                    named.and_then(|detector| detector.reference.clone())
                }
            },
        };
        let Some(file) = of_spec else {
            let text = "nothing says which real images both are compared with: give `--ref`, or a run whose spec has \
                        the `reference` of one detector";
            return Err(Failure::new(exit::USAGE, anyhow!(text)));
        };
        Ok(Self::File(fetched(&file, addresses).await?))
    }

    /// Reads the features of a run; `detector` and the metrics asked for say which.
    ///
    /// # Errors
    /// They cannot be read.
    pub async fn given(self, detector: Option<&str>, metrics: &[Metric]) -> Result<Given, Failure> {
        match self {
            Self::File(path) => Ok(Given::File(path)),
            Self::Run(run, opened) => {
                let features = StoredFeatures::read(opened.store(), &run, detector, metrics).await?;
                Ok(Given::Run(Arc::new(features)))
            }
        }
    }
}

/// A local path in the place of an address (`file:`, `s3://`, `https://`); plain paths stay.
pub(super) async fn local(path: PathBuf, addresses: &mut Addresses) -> Result<PathBuf, FileError> {
    let address = path.to_str().map(FileRef::new);
    let Some(address) = address.filter(|file| file.is_url() || file.path.starts_with("file:")) else {
        return Ok(path);
    };
    fetched(&address, addresses).await
}

async fn fetched(file: &FileRef, addresses: &mut Addresses) -> Result<PathBuf, FileError> {
    let transfers = Transfers::default();
    let files = files(env::var("FIDELIS_S3_ENDPOINT").ok());
    let local = files.local(file, &|transfer| transfers.tell(transfer)).await?.path;
    addresses.note(&local, file);
    Ok(local)
}
