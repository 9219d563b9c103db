//! This machine as a place: servers of our own, and workers for as long as there is something to make.

use std::{
    fs,
    num::NonZero,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use fidelis_contract::{events::Event, run::Run};
use fidelis_embedded::{LocalFleet, WorkerCommand, WorkerSlot, Workers, find_worker};
use fidelis_fleet::fleet::Fleet;
use tokio::select;

use super::{
    ConductError,
    watch::{Watch, Watched},
};

/// How often a run of our own is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long a worker may go on with its chunk once it is told to stop.
const GRACE: Duration = Duration::from_secs(2);

/// How this machine is used.
#[derive(Debug, Clone)]
pub struct Machine {
    /// `cpu` or `cuda:N`, each with workers of its own.
    pub devices: Vec<String>,
    /// Workers per device.
    pub workers: u32,
    /// Micro-batches that a worker computes side by side; by default the cores, shared among the workers.
    pub lanes: Option<u32>,
    /// A chunk not renewed for this long goes to another worker.
    pub lease: Duration,
}

/// The servers and, once there is something to make, the workers.
#[derive(Debug)]
pub(super) struct Here {
    local: LocalFleet,
    command: WorkerCommand,
    slots: Vec<WorkerSlot>,
    workers: Option<Workers>,
}

impl Here {
    /// Starts the servers; store and logs lie in the folder `out`.
    pub async fn start(out: &Path, machine: &Machine) -> Result<Self, ConductError> {
        let binary = find_worker()?;
        let local = LocalFleet::start(out, machine.lease).await?;
        let command = machine.command(out, &local, binary)?;
        Ok(Self { local, command, slots: machine.slots(), workers: None })
    }

    pub fn fleet(&self) -> &Fleet {
        &self.local.fleet
    }

    pub fn local(&self) -> &LocalFleet {
        &self.local
    }

    /// Follows a run that something is missing of, with an eye on everything that makes it.
    pub async fn watch(
        &mut self,
        run: &Run,
        tell: &mut (dyn FnMut(&Event) + Send),
    ) -> Result<Watched, ConductError> {
        let Self { local, command, slots, workers } = self;
        let workers = workers.get_or_insert_with(|| Workers::start(command, slots.clone()));
        let handles = local.fleet.clone();
        select! {
            watched = Watch::new(&handles, run, LOOK_EVERY).follow(tell) => Ok(watched?),
            error = workers.failed() => Err(error.into()),
            error = local.failed() => Err(error.into()),
        }
    }

    pub async fn end_workers(&mut self) {
        if let Some(workers) = self.workers.take() {
            workers.end().await;
        }
    }
}

impl Machine {
    fn command(
        &self,
        out: &Path,
        local: &LocalFleet,
        binary: PathBuf,
    ) -> Result<WorkerCommand, ConductError> {
        let logs = out.join("logs");
        if let Err(source) = fs::create_dir_all(&logs) {
            return Err(ConductError::Logs { folder: logs, source });
        }
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        let num_workers = self.workers as usize * self.devices.len();
        let lanes = self.lanes.map_or((cores / num_workers.max(1)).max(1), |lanes| lanes as usize);
        let options = [("--lanes", lanes.to_string()), ("--lease-ms", self.lease.as_millis().to_string())];
        Ok(WorkerCommand {
            binary,
            args: options.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect(),
            env: local.worker_env(),
            logs,
            grace: GRACE,
        })
    }

    /// A name stays the same when its worker is started again.
    fn slots(&self) -> Vec<WorkerSlot> {
        let devices = (0..self.workers).flat_map(|_| &self.devices).enumerate();
        devices.map(|(i, device)| WorkerSlot { name: format!("local-{i}"), device: device.clone() }).collect()
    }
}
