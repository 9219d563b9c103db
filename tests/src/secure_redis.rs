//! A redis-server as a careful operator runs it: TLS alone, and a user who may do no more than fidelis needs.

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::process::repository;

/// Every command that fidelis sends, scripts' own included; documented in the runbook of an operator.
pub const COMMANDS: &[&str] = &[
    "ping",
    "auth",
    "hello",
    "select",
    "config|get",
    "eval",
    "evalsha",
    "script|load",
    "time",
    "exists",
    "del",
    "xadd",
    "xack",
    "xdel",
    "xlen",
    "xrange",
    "xread",
    "xreadgroup",
    "xpending",
    "xclaim",
    "xgroup|create",
    "xinfo|stream",
    "zadd",
    "zrem",
    "zrange",
    "zremrangebyscore",
    "zcard",
    "hset",
    "hget",
    "hvals",
    "hgetall",
    "hdel",
    "hlen",
    "hexists",
    "hincrby",
    "sadd",
    "srem",
    "scard",
    "sismember",
    "getbit",
    "setbit",
    "bitcount",
    "lpush",
    "ltrim",
    "lrange",
];

/// The server; killed when dropped.
#[derive(Debug)]
pub struct SecureRedis {
    child: Child,
    port: u16,
    password: String,
    _folder: tempfile::TempDir,
}

/// The authority that signed the server's certificate.
pub fn authority() -> PathBuf {
    certificates().join("ca.pem")
}

fn certificates() -> PathBuf {
    repository().join("tests/fixtures/tls")
}

impl SecureRedis {
    /// Starts one whose user `fidelis` has this password; without it nobody gets in.
    pub fn start(password: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        // Free a moment ago.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let (certificates, port_text) = (certificates(), port.to_string());
        let commands: Vec<String> = COMMANDS.iter().map(|command| format!("+{command}")).collect();
        let user = format!(
            "user fidelis on >{password} ~fidelis:* -@all {}\nuser default off\n",
            commands.join(" ")
        );
        let rules = folder.path().join("users.acl");
        std::fs::write(&rules, user)?;
        let mut command =
            Command::new(std::env::var("FIDELIS_REDIS_SERVER").unwrap_or("redis-server".to_owned()));
        command.args([
            "--port",
            "0",
            "--bind",
            "127.0.0.1",
            "--tls-port",
            &port_text,
            "--tls-auth-clients",
            "no",
        ]);
        command.arg("--tls-cert-file").arg(certificates.join("server.pem"));
        command.arg("--tls-key-file").arg(certificates.join("server-key.pem"));
        command.arg("--tls-ca-cert-file").arg(certificates.join("ca.pem"));
        command.args(["--save", "", "--maxmemory-policy", "noeviction"]);
        command.arg("--aclfile").arg(&rules).arg("--dir").arg(folder.path());
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().context("no redis-server")?;
        let mut server = Self { child, port, password: password.to_owned(), _folder: folder };
        server.wait_until_up()?;
        Ok(server)
    }

    /// With user and password.
    pub fn url(&self) -> String {
        format!("rediss://fidelis:{}@localhost:{}", self.password, self.port)
    }

    /// The server's process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    fn wait_until_up(&mut self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            ensure!(self.child.try_wait()?.is_none(), "redis-server ended at once: has it TLS?");
            ensure!(Instant::now() < deadline, "redis-server does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for SecureRedis {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
