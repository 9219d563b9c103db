//! A conductor on a command line: people see what happens, and signals stop it.

use std::{path::Path, time::Duration};

use anyhow::{Context, anyhow};
use clap::Args;
use fidelis_contract::{
    dead::DeadChunk, events::Event, exit, ids::RunId, outcome::Outcome, run::Run, spec::ResolvedSpec,
    sweep::Table,
};
use fidelis_fleet::{files::Files, fleet::Fleet, signals::Signals};
use tokio::select;

use super::{Failure, console::Console, transfer::Transfers};
use crate::{
    conduct::{ConductError, Conductor, Listener, Machine, Short},
    reduce::Reduced,
    sweep::{self, Sweep, Until},
};

/// How this machine is used.
#[derive(Debug, Clone, Args)]
pub struct MachineArgs {
    /// cpu or cuda:N; may be given several times
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    device: Vec<String>,
    /// Workers per device
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    workers: u32,
    /// Micro-batches that a worker computes side by side [default: the cores, shared among the workers]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    lanes: Option<u32>,
    /// A chunk not renewed for this long goes to another worker
    #[arg(long, value_name = "MS", default_value_t = 15_000, value_parser = clap::value_parser!(u64).range(100..=86_400_000))]
    lease_ms: u64,
}

impl From<MachineArgs> for Machine {
    fn from(args: MachineArgs) -> Self {
        let MachineArgs { device: devices, workers, lanes, lease_ms } = args;
        Self { devices, workers, lanes, lease: Duration::from_millis(lease_ms) }
    }
}

/// How a command's runs ended.
#[derive(Debug)]
pub enum Ended<T> {
    /// Complete.
    Finished(T),
    /// By a signal of this exit code; what was stored is found again.
    Interrupted(u8),
}

/// A place to make runs, with its audience.
#[derive(Debug)]
pub struct Session {
    pub conductor: Conductor,
    console: Console,
    signals: Signals,
    /// Whether runs go on without us, and `fidelis retry` reaches them.
    is_fleet: bool,
}

impl Session {
    /// On a fleet that is running.
    ///
    /// # Errors
    /// Signals cannot be watched.
    pub fn of_fleet(fleet: Fleet, files: Files, console: Console) -> Result<Self, Failure> {
        let signals = Signals::watch().context("cannot watch for signals")?;
        Ok(Self { conductor: Conductor::of_fleet(fleet, files), console, signals, is_fleet: true })
    }

    /// On this machine; store and logs lie in the folder `out`.
    ///
    /// # Errors
    /// Something that is needed is missing or does not start.
    pub async fn here(
        out: &Path,
        machine: MachineArgs,
        files: Files,
        console: Console,
    ) -> Result<Self, Failure> {
        let signals = Signals::watch().context("cannot watch for signals")?;
        let conductor = Conductor::here(out, &machine.into(), files).await?;
        Ok(Self { conductor, console, signals, is_fleet: false })
    }

    /// Brings runs to their end, one after the other; the results in the same order.
    ///
    /// # Errors
    /// The first run that cannot be completed.
    pub async fn complete(&mut self, specs: Vec<ResolvedSpec>) -> Result<Ended<Vec<Reduced>>, Failure> {
        let ended = self.complete_all(specs).await;
        let Self { conductor, signals, .. } = self;
        // A second signal ends the patience.
        select! {
            () = conductor.rest() => {}
            _ = signals.next() => {}
        }
        ended
    }

    async fn complete_all(&mut self, specs: Vec<ResolvedSpec>) -> Result<Ended<Vec<Reduced>>, Failure> {
        let mut finished = Vec::with_capacity(specs.len());
        for spec in specs {
            let Self { conductor, console, signals, .. } = self;
            let transfers = Transfers::default();
            let mut listener = Listener {
                events: &mut |event: &Event| console.tell(event),
                transfers: &|transfer| transfers.tell(transfer),
            };
            match conductor.complete(spec, &mut listener, signals.next()).await? {
                Ok(reduced) => finished.push(reduced),
                Err(short) => return Ok(Ended::Interrupted(self.fell_short(short)?)),
            }
        }
        Ok(Ended::Finished(finished))
    }

    /// Follows a submitted run until all of it is stored.
    ///
    /// # Errors
    /// It cannot be completed.
    pub async fn follow(&mut self, run: &Run) -> Result<Ended<()>, Failure> {
        let Self { conductor, console, signals, .. } = self;
        let mut listener = Listener { events: &mut |event: &Event| console.tell(event), transfers: &|_| () };
        match conductor.follow(run, &mut listener, signals.next()).await? {
            Ok(()) => {
                if run.spec.engine.train().is_some() {
                    console.tell(&conductor.home().trained(run).await?);
                }
                Ok(Ended::Finished(()))
            }
            Err(short) => Ok(Ended::Interrupted(self.fell_short(short)?)),
        }
    }

    /// Waits; a signal's exit code ends it early.
    pub async fn pause(&mut self, time: Duration) -> Option<u8> {
        select! {
            by = self.signals.next() => Some(by),
            () = tokio::time::sleep(time) => None,
        }
    }

    /// Brings a sweep to its end.
    ///
    /// # Errors
    /// It cannot be completed.
    pub async fn sweep(&mut self, sweep: &mut Sweep, until: Until) -> Result<Ended<Table>, Failure> {
        let Self { conductor, console, signals, is_fleet } = self;
        let transfers = Transfers::default();
        let mut listener = Listener {
            events: &mut |event: &Event| console.tell(event),
            transfers: &|transfer| transfers.tell(transfer),
        };
        let ended = select! {
            table = Box::pin(sweep::conduct(conductor, sweep, &mut listener, until)) => table.map(Ended::Finished),
            by = signals.next() => Ok(Ended::Interrupted(by)),
        };
        if let Ok(Ended::Interrupted(_)) = ended {
            console.say(match *is_fleet {
                true => "interrupted: what is queued is made without us; the same command goes on, `--cancel` calls it off",
                false => "stopping: the same command goes on from here",
            });
        }
        // A second signal ends the patience.
        select! {
            () = conductor.rest() => {}
            _ = signals.next() => {}
        }
        Ok(ended?)
    }

    /// Tells why there is less than was wanted; the signal's exit code where that was it.
    fn fell_short(&self, short: Short<u8>) -> Result<u8, Failure> {
        let text = match short {
            Short::Stopped { run, by } => {
                self.console.say(&self.parting(&run));
                return Ok(by);
            }
            Short::Cancelled { run } => {
                format!("run `{run}` was cancelled; submitting it again goes on from what is stored")
            }
            Short::Incomplete { run, num_chunks, dead } => {
                format!("run `{run}` is incomplete: {}", self.deaths(num_chunks, &dead))
            }
        };
        Err(Failure::new(exit::INCOMPLETE, anyhow!(text)))
    }

    fn parting(&self, run: &RunId) -> String {
        if self.is_fleet {
            return format!("interrupted: the run goes on without us; `fidelis watch {run}` sees it again");
        }
        match self.console.keeps_store() {
            true => "stopping: the same command goes on from here",
            false => "stopping: nothing is kept; with `--work DIR` the same command would go on from here",
        }
        .to_owned()
    }

    /// Which chunks were given up, with the causes that were not told yet and what to do next.
    fn deaths(&self, num_chunks: u32, dead: &[DeadChunk]) -> String {
        const SHOWN: usize = 3;
        let next = match self.is_fleet {
            true => "`fidelis retry` it, or submit it again",
            false => "run the same command again",
        };
        let list: Vec<String> = dead.iter().map(|dead| dead.chunk.to_string()).collect();
        let causes = self.console.untold(dead);
        let more = causes.len().saturating_sub(SHOWN);
        let mut shown = causes.into_iter().take(SHOWN).collect::<Vec<_>>().join("; ");
        if more > 0 {
            shown += &format!("; and {more} more causes");
        }
        let why =
            if shown.is_empty() { "for what is told above".to_owned() } else { format!("for: {shown}") };
        format!("chunks `{}` of {num_chunks} are dead, {why}; mend that and {next}", list.join(", "))
    }
}

/// Whether a worker's log tells more than the failure does.
pub fn is_in_logs(failure: &Failure) -> bool {
    let error = failure.error.downcast_ref::<ConductError>();
    error.is_some_and(|error| matches!(error, ConductError::Workers(died) if died.is_retryable()))
}
