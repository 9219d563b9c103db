//! A whole fleet on this machine, but for its workers.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use fidelis_contract::outcome::{Class, Outcome};
use fidelis_fleet::{
    fleet::{Fleet, FleetError},
    queue::QueueSettings,
};
use tokio::{select, time::sleep};

use super::{RedisServer, RedisServerError, S3Server, S3ServerError, s3_server::REGION};

/// The one bucket of the embedded store.
pub const BUCKET: &str = "fidelis";

const NO_FILE: &str = "/dev/null";

/// How often our own servers are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Why there is no local fleet.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// The folder cannot be used.
    #[error("cannot make the folder `{}`: {cause}; name another with --out", folder.display())]
    Folder {
        /// Which.
        folder: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// Nothing was run in the folder.
    #[error("{}: name the folder that a `fidelis local` left, its --out", absent(folder))]
    Absent {
        /// Which.
        folder: PathBuf,
    },
    /// No Redis.
    #[error(transparent)]
    Redis(#[from] RedisServerError),
    /// No S3.
    #[error(transparent)]
    S3(#[from] S3ServerError),
    /// It ran, and is gone.
    #[error("redis-server died, its last words: `{words}`; run the same command again")]
    RedisDied {
        /// The last line of its log.
        words: String,
    },
    /// The folder was good, and is full.
    #[error("nothing can be written to `{}` any more: {cause}; free space there and run the same command again", folder.display())]
    Disk {
        /// Which.
        folder: PathBuf,
        /// What the system said.
        cause: String,
    },
    /// They run, but do not serve.
    #[error(transparent)]
    Fleet(#[from] FleetError),
}

fn absent(folder: &Path) -> String {
    let folder_shown = folder.display();
    if folder.exists() {
        format!("the folder `{folder_shown}` holds no runs")
    } else {
        format!("there is no folder `{folder_shown}`")
    }
}

impl Outcome for LocalError {
    fn class(&self) -> Class {
        match self {
            Self::Folder { cause, .. } => cause.class(),
            Self::Absent { .. } => Class::Usage,
            Self::RedisDied { .. } | Self::Disk { .. } => Class::Passing,
            Self::Redis(error) => error.class(),
            Self::S3(error) => error.class(),
            Self::Fleet(error) => error.class(),
        }
    }
}

/// A `redis-server` of our own and an S3 server over `<folder>/store`; both end when this is dropped.
#[derive(Debug)]
pub struct LocalFleet {
    redis: RedisServer,
    s3: S3Server,
    /// How to talk to them.
    pub fleet: Fleet,
    folder: PathBuf,
    lease: Duration,
}

impl LocalFleet {
    /// Starts both servers. What an earlier fleet left in the folder is found again.
    ///
    /// # Errors
    /// See [`LocalError`].
    pub async fn start(folder: &Path, lease: Duration) -> Result<Self, LocalError> {
        let store = folder.join("store");
        fs::create_dir_all(&store).map_err(|cause| LocalError::Folder { folder: store.clone(), cause })?;
        let folder = fs::canonicalize(folder)
            .map_err(|cause| LocalError::Folder { folder: folder.to_owned(), cause })?;
        let s3 = S3Server::start(&store, BUCKET, None).await?;
        let redis = RedisServer::start().await?;
        let settings = QueueSettings { lease, ..QueueSettings::default() };
        let url = redis.url();
        let fleet = select! {
            fleet = Fleet::connect(&url, settings, s3.store_config()) => fleet?,
            cause = s3.disk_failed() => return Err(LocalError::Disk { folder, cause }),
        };
        Ok(Self { redis, s3, fleet, folder, lease })
    }

    /// Waits until a server of ours dies. May be dropped at any moment.
    pub async fn failed(&mut self) -> LocalError {
        loop {
            if let Some(words) = self.redis.died() {
                return LocalError::RedisDied { words };
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until the folder's disk takes no more.
    pub fn disk_failed(&self) -> impl Future<Output = LocalError> + use<> {
        let (failed, folder) = (self.s3.disk_failed(), self.folder.clone());
        async move { LocalError::Disk { folder, cause: failed.await } }
    }

    /// What a worker has to know to join: nothing secret stands on a command line.
    pub fn worker_env(&self) -> Vec<(String, String)> {
        let config = self.s3.store_config();
        [
            ("FIDELIS_REDIS", self.redis.url()),
            ("FIDELIS_STORE", config.url),
            ("FIDELIS_S3_ENDPOINT", self.s3.endpoint()),
            ("AWS_ACCESS_KEY_ID", self.s3.access_key().to_owned()),
            ("AWS_SECRET_ACCESS_KEY", self.s3.secret_key().to_owned()),
            ("AWS_REGION", REGION.to_owned()),
            // A profile is meant for another server.
            ("AWS_CONFIG_FILE", NO_FILE.to_owned()),
            ("AWS_SHARED_CREDENTIALS_FILE", NO_FILE.to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    /// The folder that it was started in.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The lease, as workers are told it.
    pub fn lease(&self) -> Duration {
        self.lease
    }

    /// The folder of a store key, as a file.
    pub fn path_of(&self, key: &str) -> PathBuf {
        self.folder.join("store").join(BUCKET).join(key)
    }
}
