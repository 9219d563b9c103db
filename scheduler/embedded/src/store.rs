//! The store that a local run left in its folder, served for as long as this is held.

use std::path::Path;

use fidelis_fleet::{fleet::FleetError, store::Store};

use super::{BUCKET, LocalError, S3Server};

/// A store in a folder, without a queue or workers.
#[derive(Debug)]
pub struct LocalStore {
    /// How to talk to it.
    pub store: Store,
    _server: S3Server,
}

impl LocalStore {
    /// Serves `<folder>/store`, which must be there.
    ///
    /// # Errors
    /// See [`LocalError`].
    pub async fn open(folder: &Path) -> Result<Self, LocalError> {
        let root = folder.join("store");
        if !root.is_dir() {
            return Err(LocalError::Absent { folder: folder.to_owned() });
        }
        let server = S3Server::start(&root, BUCKET, None).await?;
        let store = Store::connect(server.store_config()).await.map_err(FleetError::Store)?;
        Ok(Self { store, _server: server })
    }
}
