use fidelis_contract::outcome::{Class, Outcome};
use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

/// Names the binary when it is not `redis-server` on PATH.
const BINARY_ENV: &str = "FIDELIS_REDIS_SERVER";
const READY_TIMEOUT: Duration = Duration::from_secs(10);
/// The kernel's limit for a socket's path is 108 bytes, the closing zero included.
const MAX_SOCKET_PATH: usize = 107;

/// Becomes the server, and leaves behind a watcher that reads the pipe we hold: when we are gone, however we went,
/// the pipe ends, and the watcher ends the server and its folder. Being told `quit`, it ends without a word.
/// (A signal at the parent's death would need unsafe code, and would fire when the spawning thread ends.)
const LAUNCH: &str = r#"
exec 3<&0
{ read -r word <&3 || { kill -9 $$; rm -rf "$FIDELIS_REDIS_FOLDER"; }; } >/dev/null 2>&1 &
exec "$@" 3<&- </dev/null
"#;

/// A `redis-server` of our own: a child process on a private unix socket, no TCP port, nothing persisted.
/// Killed and its folder removed when dropped; and by a watcher, should this process die without dropping anything.
#[derive(Debug)]
pub struct RedisServer {
    child: Child,
    folder: TempDir,
}

impl RedisServer {
    /// Starts the server and waits until it answers.
    ///
    /// # Errors
    /// No such binary, or one that does not answer within 10 s; then its last words are told.
    pub async fn start() -> Result<Self, RedisServerError> {
        Self::start_binary(find_binary()?).await
    }

    async fn start_binary(binary: PathBuf) -> Result<Self, RedisServerError> {
        let private = tempfile::Builder::new()
            .prefix("fidelis-redis-")
            .permissions(Permissions::from_mode(0o700))
            .tempdir();
        let folder = private.map_err(RedisServerError::Folder)?;
        let socket = folder.path().join("redis.sock");
        if socket.as_os_str().len() > MAX_SOCKET_PATH {
            return Err(RedisServerError::PathTooLong { path: socket });
        }
        let child = spawn(&binary, &folder).map_err(|cause| RedisServerError::Spawn { binary, cause })?;
        let mut server = RedisServer { child, folder };
        server.wait_until_ready().await?;
        Ok(server)
    }

    /// The address for clients: `unix:///…/redis.sock`.
    pub fn url(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// The server's process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether the server has died on its own; then its last words.
    pub fn died(&mut self) -> Option<String> {
        matches!(self.child.try_wait(), Ok(Some(_))).then(|| self.last_words())
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("redis.sock")
    }

    async fn wait_until_ready(&mut self) -> Result<(), RedisServerError> {
        let deadline = Instant::now() + READY_TIMEOUT;
        loop {
            if let Ok(Ok(())) = tokio::time::timeout(Duration::from_secs(1), self.ping()).await {
                return Ok(());
            }
            let ended = matches!(self.child.try_wait(), Ok(Some(_)));
            if ended || Instant::now() > deadline {
                return Err(RedisServerError::NotReady { words: self.last_words() });
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn ping(&self) -> io::Result<()> {
        let mut stream = UnixStream::connect(self.socket()).await?;
        stream.write_all(b"PING\r\n").await?;
        let mut answer = [0; 7];
        stream.read_exact(&mut answer).await?;
        if &answer == b"+PONG\r\n" { Ok(()) } else { Err(ErrorKind::InvalidData.into()) }
    }

    fn last_words(&self) -> String {
        let log = fs::read(self.folder.path().join(LOG)).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        log.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it said nothing").trim().to_owned()
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // The watcher first: told later, it could meet another process under this id.
        if let Some(mut pipe) = self.child.stdin.take() {
            let _ = pipe.write_all(b"quit\n");
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const LOG: &str = "redis.log";

fn spawn(binary: &PathBuf, folder: &TempDir) -> io::Result<Child> {
    let log = File::create(folder.path().join(LOG))?;
    let mut command = Command::new("sh");
    command.args(["-c", LAUNCH, "fidelis-redis"]).arg(binary);
    command.args(["--port", "0", "--daemonize", "no", "--unixsocketperm", "700"]);
    command.args(["--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction"]);
    command.arg("--unixsocket").arg(folder.path().join("redis.sock")).arg("--dir").arg(folder.path());
    command.env("FIDELIS_REDIS_FOLDER", folder.path());
    // Its own group: Ctrl-C on the terminal is for us, and we still need the server to wind up.
    command.process_group(0).stdin(Stdio::piped()).stdout(log.try_clone()?).stderr(log).spawn()
}

fn find_binary() -> Result<PathBuf, RedisServerError> {
    if let Some(named) = std::env::var_os(BINARY_ENV).filter(|value| !value.is_empty()) {
        let binary = PathBuf::from(named);
        return if is_executable(&binary) { Ok(binary) } else { Err(RedisServerError::Named { binary }) };
    }
    find_on(&std::env::var_os("PATH").unwrap_or_default()).ok_or(RedisServerError::Absent)
}

fn find_on(path: &OsString) -> Option<PathBuf> {
    std::env::split_paths(path).map(|folder| folder.join("redis-server")).find(is_executable)
}

fn is_executable(binary: &PathBuf) -> bool {
    fs::metadata(binary).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// Why no Redis server of our own is running.
#[derive(Debug, thiserror::Error)]
pub enum RedisServerError {
    #[error("`redis-server` is not on PATH: run `apt-get install redis-server`, or name one in {BINARY_ENV}")]
    Absent,
    #[error("{BINARY_ENV} names `{}`, which is no program: correct it or unset it", binary.display())]
    Named { binary: PathBuf },
    #[error("cannot make a private folder for redis: {0}; point TMPDIR to one that can be written")]
    Folder(io::Error),
    #[error("`{}` is too long for a socket: point TMPDIR to a folder with a shorter path", path.display())]
    PathTooLong { path: PathBuf },
    #[error("cannot start `{}`: {cause}", binary.display())]
    Spawn { binary: PathBuf, cause: io::Error },
    #[error("redis-server does not answer; its last words: `{words}`")]
    NotReady { words: String },
}

impl Outcome for RedisServerError {
    fn class(&self) -> Class {
        // Each needs a hand.
        Class::Environment
    }
}

#[cfg(test)]
mod tests;
