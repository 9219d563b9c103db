//! A redis-server of a test's own that can die, come back, follow another one and be starved of memory.

use std::{
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use redis::{FromRedisValue, aio::MultiplexedConnection};
use tempfile::TempDir;

/// What is left of a node's data when it is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Persistence {
    /// Nothing.
    None,
    /// Every write that was answered.
    Always,
}

/// A server on a port of its own; killed when dropped.
#[derive(Debug)]
pub struct RedisNode {
    child: Mutex<Child>,
    folder: TempDir,
    port: u16,
    persistence: Persistence,
}

impl RedisNode {
    pub async fn start(persistence: Persistence) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        // A port that was free a moment ago.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let node =
            Self { child: Mutex::new(spawn(folder.path(), port, persistence)?), folder, port, persistence };
        node.wait_until_up().await?;
        Ok(node)
    }

    /// `127.0.0.1:port`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Kills the server as a power cut would.
    pub fn kill(&self) -> Result<()> {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Starts the killed server again, with what its persistence kept.
    pub async fn start_again(&self) -> Result<()> {
        let child = spawn(self.folder.path(), self.port, self.persistence)?;
        *self.child.lock().unwrap_or_else(PoisonError::into_inner) = child;
        self.wait_until_up().await
    }

    /// Makes this a replica of another node, and waits until it has caught up.
    pub async fn follow(&self, primary: &RedisNode) -> Result<()> {
        self.ask::<()>(&["REPLICAOF", "127.0.0.1", &primary.port.to_string()]).await?;
        let deadline = Instant::now() + Duration::from_secs(60);
        while !self.ask::<String>(&["INFO", "replication"]).await?.contains("master_link_status:up") {
            ensure!(Instant::now() < deadline, "the replica did not catch up");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// Runs one command, given as words.
    pub async fn ask<T: FromRedisValue>(&self, words: &[&str]) -> Result<T> {
        Ok(self.try_ask(words).await??)
    }

    /// As [`RedisNode::ask`], with the server's own refusal apart.
    pub async fn try_ask<T: FromRedisValue>(&self, words: &[&str]) -> Result<redis::RedisResult<T>> {
        let (name, args) = words.split_first().context("no command")?;
        let mut connection = self.connection().await?;
        Ok(redis::cmd(name).arg(args).query_async(&mut connection).await)
    }

    /// Sends a command that is not all text.
    pub async fn send(&self, command: &redis::Cmd) -> Result<()> {
        Ok(command.query_async(&mut self.connection().await?).await?)
    }

    async fn connection(&self) -> Result<MultiplexedConnection> {
        let client = redis::Client::open(format!("redis://{}", self.address()))?;
        Ok(client.get_multiplexed_async_connection().await?)
    }

    async fn wait_until_up(&self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !matches!(self.ask::<String>(&["PING"]).await.as_deref(), Ok("PONG")) {
            ensure!(Instant::now() < deadline, "redis-server did not start");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }
}

fn spawn(folder: &Path, port: u16, persistence: Persistence) -> Result<Child> {
    let binary = std::env::var("FIDELIS_REDIS_SERVER").unwrap_or_else(|_| "redis-server".into());
    let append_only = if persistence == Persistence::Always { "yes" } else { "no" };
    Command::new(&binary)
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
        .args(["--appendonly", append_only, "--appendfsync", "always", "--repl-diskless-sync-delay", "0"])
        .arg("--dir")
        .arg(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start `{binary}`"))
}

impl Drop for RedisNode {
    fn drop(&mut self) {
        self.kill().ok();
    }
}
