//! Worker processes on this machine: started, watched, started again when they die, ended with us.

use fidelis_contract::{
    exit,
    outcome::{Class, Outcome},
};
use std::{
    collections::VecDeque,
    env, io,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use tokio::{
    fs::File,
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStderr, Command},
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};

/// Names the binary when it lies elsewhere.
const BINARY_ENV: &str = "FIDELIS_WORKER";
const BINARY: &str = "fidelis-worker";
/// How often a worker that died is started again.
const MAX_RESTARTS: u32 = 5;
const RESTART_PAUSE: Duration = Duration::from_millis(500);
/// Lines of stderr that are told when a worker dies.
const LAST_WORDS: usize = 3;
/// What a worker warns of and the run's own events tell as well.
const TOLD_ELSEWHERE: [&str; 2] = ["handed back: ", "left to others: "];
/// How long a worker may take to end, beyond its grace time.
const END_TIMEOUT: Duration = Duration::from_secs(3);

/// How workers are started.
#[derive(Debug, Clone)]
pub struct WorkerCommand {
    /// The program.
    pub binary: PathBuf,
    /// Arguments of every worker.
    pub args: Vec<String>,
    /// Environment of every worker, secrets included.
    pub env: Vec<(String, String)>,
    /// Where each worker's stderr is kept, as `<name>.log`.
    pub logs: PathBuf,
    /// How long a chunk in hand may go on once they are told to end.
    pub grace: Duration,
}

/// One worker: its name and the device it owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerSlot {
    /// As receipts name it.
    pub name: String,
    /// `cpu` or `cuda:N`.
    pub device: String,
}

/// Running workers; killed when dropped.
#[derive(Debug)]
pub struct Workers {
    slots: JoinSet<WorkersError>,
    ending: watch::Sender<bool>,
    grace: Duration,
}

/// Why there are no workers.
#[derive(Debug, thiserror::Error)]
pub enum WorkersError {
    /// The variable leads nowhere.
    #[error("{BINARY_ENV} names `{}`, which is no file: correct it or unset it", .0.display())]
    Named(PathBuf),
    /// Nowhere to be found.
    #[error(
        "`{BINARY}` is neither beside this program nor on PATH: run `make build`, or name one in {BINARY_ENV}"
    )]
    Absent,
    /// The system would not run it.
    #[error("cannot start `{}`: {cause}", binary.display())]
    Spawn {
        /// The program.
        binary: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// It says itself that trying again is no use.
    #[error("worker `{name}` refuses to start: {words}")]
    Refused {
        /// Which.
        name: String,
        /// Its last line.
        words: String,
    },
    /// It died too often.
    #[error("worker `{name}` died {deaths} times, the last time {how}: {words} (see `{}`)", log.display())]
    Died {
        /// Which.
        name: String,
        /// How often.
        deaths: u32,
        /// Exit status or signal.
        how: String,
        /// Its last lines.
        words: String,
        /// Where all of its lines are.
        log: PathBuf,
    },
}

impl Outcome for WorkersError {
    fn class(&self) -> Class {
        if matches!(self, Self::Died { .. }) { Class::Passing } else { Class::Usage }
    }
}

/// The worker program: named by the environment, beside this one, or on PATH.
///
/// # Errors
/// [`WorkersError::Named`], [`WorkersError::Absent`].
pub fn find_worker() -> Result<PathBuf, WorkersError> {
    if let Some(named) = env::var_os(BINARY_ENV).filter(|named| !named.is_empty()) {
        let named = PathBuf::from(named);
        return if named.is_file() { Ok(named) } else { Err(WorkersError::Named(named)) };
    }
    let beside = env::current_exe().ok().and_then(|us| us.parent().map(Path::to_owned));
    let path = env::var_os("PATH").unwrap_or_default();
    let mut folders = beside.into_iter().chain(env::split_paths(&path)).map(|folder| folder.join(BINARY));
    folders.find(|binary| binary.is_file()).ok_or(WorkersError::Absent)
}

impl Workers {
    /// Starts a worker for each slot.
    pub fn start(command: &WorkerCommand, slots: impl IntoIterator<Item = WorkerSlot>) -> Self {
        let (ending, told) = watch::channel(false);
        let mut tasks = JoinSet::new();
        for slot in slots {
            tasks.spawn(keep_alive(command.clone(), slot, told.clone()));
        }
        Self { slots: tasks, ending, grace: command.grace }
    }

    /// Waits until no worker is left that could be started again; gives the last one's reason. The others' deaths
    /// are logged as they come. May be dropped at any moment.
    pub async fn failed(&mut self) -> WorkersError {
        loop {
            let error = match self.slots.join_next().await {
                Some(Ok(error)) => error,
                Some(Err(_)) => continue,
                None => std::future::pending().await,
            };
            if !error.is_retryable() || self.slots.is_empty() {
                return error;
            }
            tracing::warn!("{error}; the others go on");
        }
    }

    /// Tells all workers to end, and kills those that do not.
    pub async fn end(mut self) {
        self.ending.send_replace(true);
        let all = async { while self.slots.join_next().await.is_some() {} };
        timeout(self.grace + END_TIMEOUT, all).await.ok();
    }
}

/// Runs one worker, again and again, until told to end; gives the reason when there is no use in going on.
async fn keep_alive(command: WorkerCommand, slot: WorkerSlot, told: watch::Receiver<bool>) -> WorkersError {
    let log = command.logs.join(format!("{}.log", slot.name));
    let mut deaths = 0;
    loop {
        let mut child = match spawn(&command, &slot) {
            Ok(child) => child,
            Err(cause) => return WorkersError::Spawn { binary: command.binary, cause },
        };
        let words =
            child.stderr.take().map(|stderr| tokio::spawn(follow(stderr, slot.name.clone(), log.clone())));
        let ended = wait(&mut child, told.clone()).await;
        let words = match words {
            Some(words) => words.await.unwrap_or_default(),
            None => VecDeque::new(),
        };
        if *told.borrow() {
            // Nobody reads it.
            return WorkersError::Absent;
        }
        deaths += 1;
        let (name, words) = (slot.name.clone(), last_words(&words));
        if ended.as_ref().ok().and_then(ExitStatus::code) == Some(i32::from(exit::USAGE)) {
            return WorkersError::Refused { name, words };
        }
        let how = ended.map_or_else(|error| error.to_string(), |status| status.to_string());
        if deaths > MAX_RESTARTS {
            return WorkersError::Died { name, deaths, how, words, log };
        }
        tracing::warn!("worker `{name}` died ({how}): {words}; starting it again");
        sleep(RESTART_PAUSE).await;
    }
}

fn spawn(command: &WorkerCommand, slot: &WorkerSlot) -> io::Result<Child> {
    let mut process = Command::new(&command.binary);
    // The user's own are meant for another server, or would go with other keys.
    for (name, _) in env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"AWS_")) {
        process.env_remove(name);
    }
    process
        .arg("run")
        .args(&command.args)
        .args(["--name", &slot.name, "--device", &slot.device, "--stop-on-eof"])
        .arg("--grace-s")
        .arg(command.grace.as_secs().to_string())
        .envs(command.env.iter().map(|(name, value)| (name, value)))
        // Its own group: Ctrl-C on the terminal is for us; we tell the workers by closing their stdin.
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
}

/// Waits for a worker's end, which closing its stdin brings about once `told` says so.
async fn wait(child: &mut Child, mut told: watch::Receiver<bool>) -> io::Result<ExitStatus> {
    // `Child::wait` would close it at once.
    let stdin = child.stdin.take();
    tokio::select! {
        ended = child.wait() => return ended,
        _ = told.wait_for(|told| *told) => {}
    }
    drop(stdin);
    child.wait().await
}

/// Copies a worker's stderr to its log, passes its warnings on, and gives the last lines that explain anything.
async fn follow(stderr: ChildStderr, name: String, log: PathBuf) -> VecDeque<String> {
    let mut file = File::options().create(true).append(true).open(&log).await.ok();
    let (mut lines, mut tail) = (BufReader::new(stderr).lines(), VecDeque::new());
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some(file) = &mut file {
            // A full disk must not stop the worker, which would block on its stderr.
            file.write_all(format!("{line}\n").as_bytes()).await.ok();
        }
        // Errors are those of chunks, which the run's dead letters tell.
        if let Some((_, text)) = line.split_once(" WARN ") {
            if !TOLD_ELSEWHERE.iter().any(|told| text.contains(told)) {
                tracing::warn!("worker `{name}`: {text}");
            }
        } else if ![" INFO ", " ERROR "].iter().any(|level| line.contains(level)) {
            tail.push_back(line);
        }
        if tail.len() > LAST_WORDS {
            tail.pop_front();
        }
    }
    if let Some(file) = &mut file {
        file.flush().await.ok();
    }
    tail
}

fn last_words(lines: &VecDeque<String>) -> String {
    let words: Vec<&str> = lines.iter().map(|line| line.trim()).filter(|line| !line.is_empty()).collect();
    if words.is_empty() { "it said nothing".to_owned() } else { format!("`{}`", words.join(" / ")) }
}

#[cfg(test)]
mod tests;
