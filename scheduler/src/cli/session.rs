//! A fleet of this machine's own, for as long as its runs take.

use std::{
    fs,
    num::NonZero,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context;
use clap::Args;
use fidelis_contract::{events::Event, run::Run, spec::ResolvedSpec};
use fidelis_embedded::{LocalFleet, WorkerCommand, WorkerSlot, Workers, find_worker};
use fidelis_fleet::{files::Files, signals::Signals};
use tokio::select;

use super::{
    Failure,
    console::Console,
    runs::{AGAIN, Ended, Place, cancelled, conclude, incomplete, making},
};
use crate::{
    reduce::Reduced,
    submit::submit,
    watch::{Watch, Watched},
};

/// How often a run of our own is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long a worker may go on with its chunk once we are told to stop.
const GRACE: Duration = Duration::from_secs(2);

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

/// Redis, an S3 server and, once there is something to make, workers.
#[derive(Debug)]
pub struct Session {
    machine: MachineArgs,
    files: Files,
    pub fleet: LocalFleet,
    command: WorkerCommand,
    workers: Option<Workers>,
    console: Console,
    signals: Signals,
}

impl Session {
    /// Starts the servers; store and logs lie in the folder `out`.
    ///
    /// # Errors
    /// Something that is needed is missing or does not start.
    pub async fn start(
        out: &Path,
        machine: MachineArgs,
        files: Files,
        console: Console,
    ) -> Result<Self, Failure> {
        let binary = find_worker()?;
        let signals = Signals::watch().context("cannot watch for signals")?;
        let fleet = LocalFleet::start(out, Duration::from_millis(machine.lease_ms)).await?;
        let command = worker_command(out, &machine, &fleet, binary)?;
        Ok(Self { machine, files, fleet, command, workers: None, console, signals })
    }

    /// Brings runs to their end, one after the other; the results in the same order.
    ///
    /// # Errors
    /// The first run that cannot be completed.
    pub async fn run(&mut self, specs: Vec<ResolvedSpec>) -> Result<Ended<Vec<Reduced>>, Failure> {
        let Self { machine, files, fleet, command, workers, console, signals } = self;
        let disk_failed = fleet.disk_failed();
        let mut runs = Runs { machine, files, fleet, command, workers, console };
        let finished = select! {
            finished = runs.complete(specs) => finished.map(Ended::Finished),
            error = disk_failed => Err(error.into()),
            code = signals.next() => {
                self.console.say(match self.console.keeps_store() {
                    true => "stopping: the same command goes on from here",
                    false => "stopping: nothing is kept; with `--work DIR` the same command would go on from here",
                });
                Ok(Ended::Interrupted(code))
            }
        };
        self.end_workers().await;
        finished
    }

    /// A second signal ends the patience.
    async fn end_workers(&mut self) {
        if let Some(workers) = self.workers.take() {
            select! {
                () = workers.end() => {}
                _ = self.signals.next() => {}
            }
        }
    }
}

/// All of a session but its signals.
struct Runs<'a> {
    machine: &'a MachineArgs,
    files: &'a Files,
    fleet: &'a mut LocalFleet,
    command: &'a WorkerCommand,
    workers: &'a mut Option<Workers>,
    console: &'a mut Console,
}

impl Runs<'_> {
    async fn complete(&mut self, specs: Vec<ResolvedSpec>) -> Result<Vec<Reduced>, Failure> {
        let mut finished = Vec::with_capacity(specs.len());
        for spec in specs {
            let begun = Instant::now();
            let submitted = submit(&self.fleet.fleet, spec).await;
            let submitted = submitted.map_err(|error| error.local(self.fleet.folder()))?;
            self.console.tell(&submitted.event());
            let run = &submitted.run;
            if !run.missing(&submitted.stored).is_empty() {
                self.follow(run).await?;
            }
            let (place, making) = (Place::here(self.fleet, self.files), making(&submitted, begun));
            finished.push(conclude(&place, run, Some(making), self.console).await?);
            self.fleet.fleet.queue.forget(&run.id).await?;
        }
        Ok(finished)
    }

    async fn follow(&mut self, run: &Run) -> Result<(), Failure> {
        let Self { machine, fleet, command, workers, console, .. } = self;
        let workers = workers.get_or_insert_with(|| Workers::start(command, slots(machine)));
        let (handles, mut tell) = (fleet.fleet.clone(), |event: &Event| console.tell(event));
        let watched = select! {
            watched = Watch::new(&handles, run, LOOK_EVERY).follow(&mut tell) => watched?,
            error = workers.failed() => return Err(error.into()),
            error = fleet.failed() => return Err(error.into()),
        };
        match watched {
            Watched::Stored => Ok(()),
            Watched::Incomplete(dead) => Err(incomplete(run, &dead, console, AGAIN)),
            Watched::Cancelled => Err(cancelled(run)),
        }
    }
}

fn worker_command(
    out: &Path,
    machine: &MachineArgs,
    fleet: &LocalFleet,
    binary: PathBuf,
) -> Result<WorkerCommand, Failure> {
    let logs = out.join("logs");
    fs::create_dir_all(&logs).with_context(|| format!("cannot make the folder `{}`", logs.display()))?;
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let num_workers = machine.workers as usize * machine.device.len();
    let lanes = machine.lanes.map_or((cores / num_workers).max(1), |lanes| lanes as usize);
    let options = [("--lanes", lanes.to_string()), ("--lease-ms", machine.lease_ms.to_string())];
    Ok(WorkerCommand {
        binary,
        args: options.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect(),
        env: fleet.worker_env(),
        logs,
        grace: GRACE,
    })
}

/// A name stays the same when its worker is started again.
fn slots(machine: &MachineArgs) -> Vec<WorkerSlot> {
    let devices = (0..machine.workers).flat_map(|_| &machine.device).enumerate();
    devices.map(|(i, device)| WorkerSlot { name: format!("local-{i}"), device: device.clone() }).collect()
}
