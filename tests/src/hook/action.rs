use std::{
    path::{Path, PathBuf},
    process::{self, Command},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail};

/// What a process does to itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    Signal(&'static str),
    Doze(Duration),
    Abort,
    Panic(String),
    Exit(i32),
    Hang,
    Sleep(Duration),
    Await(PathBuf),
    Fail,
}

impl Action {
    pub(super) fn parse(text: &str) -> Result<Self> {
        let (word, argument) = text.split_once(' ').unwrap_or((text, ""));
        let argument = argument.trim();
        Ok(match word {
            "kill" => Self::Signal("-KILL"),
            "stop" => Self::Signal("-STOP"),
            "doze" => Self::Doze(Duration::from_millis(argument.parse().context("doze takes ms")?)),
            "abort" => Self::Abort,
            "panic" if argument.is_empty() => Self::Panic("a test wants a panic here".to_owned()),
            "panic" => Self::Panic(argument.to_owned()),
            "exit" => Self::Exit(argument.parse().context("exit takes a code")?),
            "hang" => Self::Hang,
            "sleep" => Self::Sleep(Duration::from_millis(argument.parse().context("sleep takes ms")?)),
            "await" => Self::Await(argument.into()),
            "fail" => Self::Fail,
            _ => bail!("unknown action `{text}`"),
        })
    }

    /// True when the caller is to fail.
    pub(super) fn perform(&self) -> bool {
        match self {
            Self::Signal(signal) => send_ourselves(signal),
            Self::Doze(time) => doze(*time),
            Self::Abort => process::abort(),
            Self::Panic(text) => panic!("{text}"),
            Self::Exit(code) => process::exit(*code),
            // Never asks anybody anything.
            Self::Hang => blocking(|| {
                loop {
                    thread::sleep(Duration::from_secs(1))
                }
            }),
            Self::Sleep(time) => blocking(|| thread::sleep(*time)),
            Self::Await(path) => blocking(|| await_file(path)),
            Self::Fail => return true,
        }
        false
    }
}

fn await_file(path: &Path) {
    while !path.exists() {
        thread::sleep(Duration::from_millis(5));
    }
}

fn send_ourselves(signal: &str) {
    blocking(|| {
        Command::new("kill").args([signal, &process::id().to_string()]).status().ok();
        if signal == "-KILL" {
            // It is on its way.
            thread::sleep(Duration::from_secs(60));
        }
    });
}

/// Stopped as a whole, renewals too, until somebody wakes us.
fn doze(time: Duration) {
    let (seconds, pid) = (time.as_secs_f64(), process::id());
    Command::new("sh").arg("-c").arg(format!("sleep {seconds}; kill -CONT {pid}")).spawn().ok();
    send_ourselves("-STOP");
}

/// Holds up this task and nothing else: renewals go on, as they would beside real work.
fn blocking<T>(work: impl FnOnce() -> T) -> T {
    if tokio::runtime::Handle::try_current().is_ok() { tokio::task::block_in_place(work) } else { work() }
}
