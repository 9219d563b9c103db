//! What a command compares: a file by path or address, or a run out of a store or of the folder of a `fidelis local`.

use std::{
    env,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::anyhow;
use clap::Args;
use fidelis_contract::{addresses::Addresses, exit, run::Run, spec::FileRef};
use fidelis_embedded::LocalStore;
use fidelis_fleet::{files::FileError, store::Store};
use fidelis_metrics::Metric;

use super::{
    Failure,
    fleet::{StoreArgs, files},
    target::Target,
    transfer::Transfers,
};
use crate::evaluate::{Given, StoredFeatures};
use crate::formats::FeatureFile;

/// Where runs lie, of a command that also does without.
#[derive(Debug, Args)]
pub struct StoredAt {
    /// Store of the runs, as s3://bucket/prefix
    #[arg(long, value_name = "URL", env = "FIDELIS_STORE")]
    store: Option<String>,
    /// Another S3 server than AWS, as http://host:port
    #[arg(long, value_name = "URL", env = "FIDELIS_S3_ENDPOINT")]
    s3_endpoint: Option<String>,
    /// Folder that `fidelis local` left (its `--out`), instead of a store
    #[arg(long, value_name = "DIR")]
    local: Option<PathBuf>,
}

/// One side, before its features are read.
#[derive(Debug)]
pub enum Side {
    File(PathBuf),
    Run(Box<Run>, Arc<Opened>),
}

/// A store that is open.
#[derive(Debug)]
pub enum Opened {
    Fleet(Store),
    Local(LocalStore),
}

impl StoredAt {
    /// A file where there is one of that name, else a run.
    pub async fn side(&self, name: &Path, addresses: &mut Addresses) -> Result<Side, Failure> {
        let path = local(name.to_owned(), addresses).await?;
        let text = name.to_str().filter(|_| !path.exists());
        let Some((text, target)) = text.and_then(|text| Some((text, Target::named(text).ok()?))) else {
            return Ok(Side::File(path));
        };
        let opened = match (&self.local, &self.store) {
            (Some(folder), _) => Opened::Local(LocalStore::open(folder).await?),
            (None, Some(url)) => {
                Opened::Fleet(StoreArgs::new(url.clone(), self.s3_endpoint.clone()).connect().await?)
            }
            (None, None) => {
                let text = format!(
                    "`{text}` is no file: if it is a run, say where it is by `--local DIR` or `--store s3://…`"
                );
                return Err(Failure::new(exit::USAGE, anyhow!(text)));
            }
        };
        let run = target.find(opened.store()).await?;
        Ok(Side::Run(Box::new(run), Arc::new(opened)))
    }
}

impl Opened {
    fn store(&self) -> &Store {
        match self {
            Self::Fleet(store) => store,
            Self::Local(local) => &local.store,
        }
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
