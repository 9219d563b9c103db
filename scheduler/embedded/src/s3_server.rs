use std::fs::{File, TryLockError};
use std::future::pending;
use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use fidelis_contract::outcome::{Class, Outcome};
use fidelis_fleet::store::{StoreConfig, StoreCredentials};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::{S3Auth, SecretKey};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{S3Result, s3_error};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

use crate::folder::HIDDEN;
use crate::s3_folder::{Disk, FolderS3};

const LOCK_FILE: &str = "lock";
const ACCESS_KEY: &str = "fidelis";
/// Any would do.
pub(super) const REGION: &str = "us-east-1";

/// An S3 server over a folder, in this process, on a free TCP port of the loopback. Stops when dropped.
///
/// Signatures (SigV4) are checked; create-only puts are atomic. Objects lie as plain files under `root/bucket/`,
/// and nothing else does.
#[derive(Debug)]
pub struct S3Server {
    address: SocketAddr,
    bucket: String,
    credentials: StoreCredentials,
    keys: Keys,
    disk: Disk,
    acceptor: JoinHandle<()>,
    /// Held for as long as the server runs: its locks are in memory, so a second server would break them.
    _lock: File,
}

impl S3Server {
    /// Serves `root`, made if need be, with one bucket in it; without `credentials`, a fresh secret is drawn.
    ///
    /// Must be called within a tokio runtime, which then does the serving.
    ///
    /// # Errors
    /// The folder cannot be used or another process serves it, or no port is free.
    pub async fn start(
        root: &Path,
        bucket: &str,
        credentials: Option<StoreCredentials>,
    ) -> Result<Self, S3ServerError> {
        if !s3s::path::check_bucket_name(bucket) {
            return Err(S3ServerError::Bucket { bucket: bucket.to_owned() });
        }
        let refused = |cause| S3ServerError::Folder { root: root.to_owned(), cause };
        let hidden = root.join(HIDDEN);
        std::fs::create_dir_all(root.join(bucket)).map_err(refused)?;
        std::fs::create_dir_all(&hidden).map_err(refused)?;
        let lock = File::create(hidden.join(LOCK_FILE)).map_err(refused)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(S3ServerError::InUse { root: root.to_owned() }),
            Err(TryLockError::Error(cause)) => return Err(refused(cause)),
        }
        let s3 = FolderS3::open(root).map_err(refused)?;
        let credentials = credentials.map_or_else(fresh_credentials, Ok).map_err(S3ServerError::Secret)?;

        let disk = s3.disk();
        let mut service = S3ServiceBuilder::new(s3);
        let keys = Keys(Arc::new(RwLock::new(credentials.clone())));
        service.set_auth(keys.clone());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(S3ServerError::Port)?;
        let address = listener.local_addr().map_err(S3ServerError::Port)?;
        let acceptor = tokio::spawn(serve(listener, service.build()));
        let bucket = bucket.to_owned();
        Ok(S3Server { address, bucket, credentials, keys, disk, acceptor, _lock: lock })
    }

    /// From now on takes this key and no other, as a service does whose credentials expire.
    pub fn rotate(&self, credentials: StoreCredentials) {
        *self.keys.0.write().unwrap_or_else(PoisonError::into_inner) = credentials;
    }

    /// Waits until the disk takes no more, which clients only see as a failure that may pass; gives what the system said.
    pub fn disk_failed(&self) -> impl Future<Output = String> + use<> {
        let mut seen = self.disk.subscribe();
        async move {
            let cause = seen.wait_for(Option::is_some).await.ok().and_then(|cause| cause.clone());
            match cause {
                Some(cause) => cause,
                // Nobody serves any more.
                None => pending().await,
            }
        }
    }

    /// `http://127.0.0.1:port`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// For AWS_ACCESS_KEY_ID.
    pub fn access_key(&self) -> &str {
        &self.credentials.access_key
    }

    /// For AWS_SECRET_ACCESS_KEY.
    pub fn secret_key(&self) -> &str {
        &self.credentials.secret_key
    }

    /// How a client of this process reaches the bucket.
    pub fn store_config(&self) -> StoreConfig {
        StoreConfig {
            url: format!("s3://{}", self.bucket),
            endpoint: Some(self.endpoint()),
            region: Some(REGION.to_owned()),
            credentials: Some(self.credentials.clone()),
        }
    }
}

/// The one key pair that is taken.
#[derive(Debug, Clone)]
struct Keys(Arc<RwLock<StoreCredentials>>);

#[async_trait::async_trait]
impl S3Auth for Keys {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        let taken = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if taken.access_key == access_key {
            Ok(SecretKey::from(taken.secret_key.as_str()))
        } else {
            Err(s3_error!(InvalidAccessKeyId, "this access key is not known, or not any more"))
        }
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        self.acceptor.abort();
    }
}

/// Accepts until aborted; the connections end with it.
async fn serve(listener: TcpListener, service: S3Service) {
    let http = Builder::new(TokioExecutor::new()).http1_only();
    let mut connections = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((socket, _)) => {
                // Small answers would wait 40 ms for the client's acknowledgement; without it, they merely do.
                socket.set_nodelay(true).ok();
                let connection = http.serve_connection(TokioIo::new(socket), service.clone()).into_owned();
                connections.spawn(async move {
                    if let Err(error) = connection.await {
                        tracing::debug!(%error, "a connection to the embedded s3 server broke off");
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the embedded s3 server cannot accept a connection: trying again");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
}

fn fresh_credentials() -> io::Result<StoreCredentials> {
    let mut random = [0_u8; 20];
    File::open("/dev/urandom")?.read_exact(&mut random)?;
    let secret_key = random.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(StoreCredentials { access_key: ACCESS_KEY.to_owned(), secret_key })
}

/// Why the embedded S3 server did not start.
#[derive(Debug, thiserror::Error)]
pub enum S3ServerError {
    #[error("`{bucket}` is no bucket name: give 3 to 63 lower-case letters, digits, dots or dashes")]
    Bucket { bucket: String },
    #[error("cannot serve the folder `{}`: {cause}; give one that can be written", root.display())]
    Folder { root: PathBuf, cause: io::Error },
    #[error("the folder `{}` is served by another fidelis just now: wait for it or give another folder", root.display())]
    InUse { root: PathBuf },
    #[error("cannot listen on 127.0.0.1: {0}")]
    Port(io::Error),
    #[error("cannot draw a secret key: {0}; give credentials")]
    Secret(io::Error),
}

impl Outcome for S3ServerError {
    fn class(&self) -> Class {
        match self {
            Self::Bucket { .. } => Class::Usage,
            Self::Folder { cause, .. } => cause.class(),
            Self::InUse { .. } | Self::Port(_) => Class::Passing,
            Self::Secret(_) => Class::Environment,
        }
    }
}
