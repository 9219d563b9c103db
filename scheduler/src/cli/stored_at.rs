//! Where runs lie that a command only reads: in a store, or in the folder of a `fidelis local`.

use std::{path::PathBuf, sync::Arc};

use anyhow::anyhow;
use clap::Args;
use fidelis_contract::exit;
use fidelis_embedded::LocalStore;
use fidelis_fleet::{files::Files, store::Store};
use tokio::sync::OnceCell;

use super::{
    Failure,
    fleet::{StoreArgs, files},
};

/// A store or a folder; a command that does without either asks for neither.
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
    pub local: Option<PathBuf>,
    /// A folder is served once at a time, also where a command reads two runs of it.
    #[arg(skip)]
    opened: OnceCell<Arc<Opened>>,
}

/// A store that is open.
#[derive(Debug)]
pub enum Opened {
    Fleet(Store),
    Local(LocalStore),
}

impl StoredAt {
    /// The same from a command that can also make runs.
    pub fn new(store: Option<String>, s3_endpoint: Option<String>, local: Option<PathBuf>) -> Self {
        Self { store, s3_endpoint, local, opened: OnceCell::new() }
    }

    /// Opens it, at the first call. What is typed counts before what is exported: a folder before a store.
    ///
    /// # Errors
    /// Neither is named, or what is named cannot be used.
    pub async fn open(&self) -> Result<Arc<Opened>, Failure> {
        Ok(self.opened.get_or_try_init(async || self.opened_anew().await.map(Arc::new)).await?.clone())
    }

    async fn opened_anew(&self) -> Result<Opened, Failure> {
        match (&self.local, &self.store) {
            (Some(folder), _) => Ok(Opened::Local(LocalStore::open(folder).await?)),
            (None, Some(url)) => {
                let store = StoreArgs::new(url.clone(), self.s3_endpoint.clone());
                Ok(Opened::Fleet(store.connect().await?))
            }
            (None, None) => {
                let text = "where are the runs? say `--store s3://…` (or FIDELIS_STORE), or `--local DIR` for the folder \
                            of a `fidelis local`";
                Err(Failure::new(exit::USAGE, anyhow!(text)))
            }
        }
    }

    /// Where a run's files come from: `s3://` is the store's server.
    pub fn files(&self) -> Files {
        files(self.s3_endpoint.clone())
    }
}

impl Opened {
    /// What it talks to.
    pub fn store(&self) -> &Store {
        match self {
            Self::Fleet(store) => store,
            Self::Local(local) => &local.store,
        }
    }
}
