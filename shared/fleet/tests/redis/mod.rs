//! A redis-server of the test's own, on a private unix socket; killed when dropped.

use std::{
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use fidelis_fleet::queue::{Queue, QueueSettings};
use redis::{Cmd, FromRedisValue, aio::MultiplexedConnection};
use tempfile::TempDir;

pub struct Redis {
    child: Child,
    folder: TempDir,
}

impl Redis {
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts with further settings, such as `["--maxmemory-policy", "allkeys-lru"]`.
    pub async fn start_with(settings: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let redis = Self { child: spawn(&folder, settings), folder };
        redis.wait_until_up().await;
        redis
    }

    pub fn url(&self) -> String {
        format!("unix://{}", self.folder.path().join("s").display())
    }

    /// Kills the server, with all it holds.
    pub fn kill(&mut self) {
        self.child.kill().and_then(|()| self.child.wait()).expect("redis-server to die");
    }

    /// Starts an empty server in the place of the killed one.
    pub async fn start_again(&mut self) {
        self.child = spawn(&self.folder, &[]);
        self.wait_until_up().await;
    }

    pub async fn queue(&self, lease_ms: u64) -> Queue {
        let settings = QueueSettings { lease: Duration::from_millis(lease_ms), ..QueueSettings::default() };
        Queue::connect(&self.url(), settings).await.expect("a queue")
    }

    /// Runs a raw command, given as words.
    pub async fn raw<T: FromRedisValue>(&self, words: &[&str]) -> T {
        let mut command = Cmd::new();
        for word in words {
            command.arg(*word);
        }
        command.query_async(&mut self.connection().await.expect("a connection")).await.expect("a reply")
    }

    async fn connection(&self) -> redis::RedisResult<MultiplexedConnection> {
        redis::Client::open(self.url())?.get_multiplexed_async_connection().await
    }

    async fn wait_until_up(&self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while tokio::net::UnixStream::connect(self.folder.path().join("s")).await.is_err() {
            assert!(Instant::now() < deadline, "redis-server did not start");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn spawn(folder: &TempDir, settings: &[&str]) -> Child {
    let binary = std::env::var("FIDELIS_REDIS_SERVER").unwrap_or_else(|_| "redis-server".into());
    Command::new(&binary)
        .args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"])
        .arg(folder.path().join("s"))
        .arg("--dir")
        .arg(folder.path())
        .args(settings)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start `{binary}`: {error}"))
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
