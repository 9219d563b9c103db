//! `fidelis local`: the whole fleet on this machine, for as long as its runs take.

use std::{collections::BTreeSet, fs, num::NonZero, path::PathBuf, thread, time::Duration};

use anyhow::{Context, anyhow};
use clap::Args;
use fidelis_shared::{events::Event, exit, keys, seeds::Seeds, spec::RunSpec};
use tokio::select;

use super::{
    Failure,
    console::Console,
    fleet::load_spec,
    runs::{conclude, incomplete},
    signals::Signals,
};
use crate::{
    comparison,
    fleet::StoredRun,
    local::{LocalFleet, WorkerCommand, WorkerSlot, Workers, find_worker},
    reduce::Reduced,
    report::terminal,
    submit::submit,
    watch::{Watch, Watched},
};

/// How often a run of our own is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long a worker may go on with its chunk once we are told to stop.
const GRACE: Duration = Duration::from_secs(2);

/// Names that mean something else in the summary.
const RESERVED: [&str; 3] = ["floor", "sheet", "report"];

/// What to run, and where the results go.
#[derive(Debug, Args)]
pub struct LocalArgs {
    /// Specs (.toml or .json), run one after the other and compared
    #[arg(required = true, value_name = "SPEC")]
    specs: Vec<PathBuf>,
    /// Folder for the store and the reports; what an earlier call left there is gone on with
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Seeds to run instead of the specs', as 0-49999 or 1,2,5-10
    #[arg(long, value_name = "LIST")]
    seeds: Option<Seeds>,
    /// cpu or cuda:N; may be given several times
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    device: Vec<String>,
    /// Workers per device
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    workers: u32,
    /// Micro-batches that a worker computes side by side [default: the cores, shared among the workers]
    #[arg(long, value_name = "N")]
    lanes: Option<usize>,
    /// A chunk not renewed for this long goes to another worker
    #[arg(long, value_name = "MS", default_value_t = 15_000, value_parser = clap::value_parser!(u64).range(100..))]
    lease_ms: u64,
    /// Nothing but JSON on stdout: events, one per line, and the summary
    #[arg(long)]
    json: bool,
}

/// Runs the specs; the last line on stdout is the summary as JSON.
pub async fn local(args: LocalArgs) -> Result<u8, Failure> {
    let specs = load_all(&args)?;
    let binary = find_worker()?;
    let mut signals = Signals::watch().context("cannot watch for signals")?;
    let fleet = LocalFleet::start(&args.out, Duration::from_millis(args.lease_ms)).await?;
    let command = worker_command(&args, &fleet, binary)?;
    let mut session =
        Session { args: &args, fleet, command, workers: None, console: Console::new(args.json) };
    let finished = select! {
        finished = session.run_all(specs) => finished,
        code = signals.next() => {
            session.console.say("stopping: the same command goes on from here");
            session.end_workers(&mut signals).await;
            return Ok(code);
        }
    };
    session.end_workers(&mut signals).await;
    present(&args, &session.fleet, &finished?).await
}

/// Reads and checks everything before anything is started.
fn load_all(args: &LocalArgs) -> Result<Vec<RunSpec>, Failure> {
    let mut names = BTreeSet::new();
    let mut specs = Vec::with_capacity(args.specs.len());
    for path in &args.specs {
        let spec = load_spec(path, args.seeds.as_ref())?;
        if RESERVED.contains(&spec.name.as_str()) || !names.insert(spec.name.clone()) {
            let text = format!("the name `{}` is taken: give each spec one of its own", spec.name);
            return Err(Failure::new(exit::USAGE, anyhow!(text)));
        }
        specs.push(spec);
    }
    Ok(specs)
}

fn worker_command(args: &LocalArgs, fleet: &LocalFleet, binary: PathBuf) -> Result<WorkerCommand, Failure> {
    let logs = args.out.join("logs");
    fs::create_dir_all(&logs).with_context(|| format!("cannot make the folder `{}`", logs.display()))?;
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let num_workers = args.workers as usize * args.device.len();
    let lanes = args.lanes.unwrap_or((cores / num_workers).max(1));
    let options = [("--lanes", lanes.to_string()), ("--lease-ms", args.lease_ms.to_string())];
    Ok(WorkerCommand {
        binary,
        args: options.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect(),
        env: fleet.worker_env(),
        logs,
        grace: GRACE,
    })
}

struct Session<'a> {
    args: &'a LocalArgs,
    fleet: LocalFleet,
    command: WorkerCommand,
    /// None until there is something to make.
    workers: Option<Workers>,
    console: Console,
}

impl Session<'_> {
    async fn run_all(&mut self, specs: Vec<RunSpec>) -> Result<Vec<Reduced>, Failure> {
        let mut finished = Vec::with_capacity(specs.len());
        for spec in specs {
            let submitted = submit(&self.fleet.fleet, spec).await?;
            self.console.tell(&submitted.event());
            let run = submitted.run;
            if !run.missing(&submitted.stored).is_empty() {
                self.follow(&run).await?;
            }
            finished.push(conclude(&self.fleet.fleet.store, &run, &mut self.console).await?);
            self.fleet.fleet.queue.forget(&run.run).await?;
        }
        Ok(finished)
    }

    async fn follow(&mut self, run: &StoredRun) -> Result<(), Failure> {
        let Self { args, fleet, command, workers, console } = self;
        let workers = workers.get_or_insert_with(|| Workers::start(command, slots(args)));
        let (handles, mut tell) = (fleet.fleet.clone(), |event: &Event| console.tell(event));
        let watched = select! {
            watched = Watch::new(&handles, run, LOOK_EVERY).follow(&mut tell) => watched?,
            error = workers.failed() => return Err(error.into()),
            error = fleet.failed() => return Err(error.into()),
        };
        match watched {
            Watched::Stored => Ok(()),
            Watched::Incomplete(dead) => Err(incomplete(run, &dead)),
        }
    }

    /// A second signal ends the patience.
    async fn end_workers(&mut self, signals: &mut Signals) {
        if let Some(workers) = self.workers.take() {
            select! {
                () = workers.end() => {}
                _ = signals.next() => {}
            }
        }
    }
}

/// A name stays the same when its worker is started again.
fn slots(args: &LocalArgs) -> Vec<WorkerSlot> {
    let devices = (0..args.workers).flat_map(|_| &args.device).enumerate();
    devices.map(|(i, device)| WorkerSlot { name: format!("local-{i}"), device: device.clone() }).collect()
}

/// Writes the comparison; prints it for people and, in one last line, for scripts.
async fn present(args: &LocalArgs, fleet: &LocalFleet, finished: &[Reduced]) -> Result<u8, Failure> {
    let comparison = comparison::write(&fleet.fleet.store, finished, &args.out).await?;
    if !args.json {
        println!("{}", terminal(&comparison.runs));
        for run in &comparison.runs {
            println!("objects  {}", fleet.path_of(&keys::run_prefix(&run.run)).display());
        }
        if let Some(sheet) = &comparison.sheet {
            println!("sheet    {}", sheet.display());
        }
        println!("report   {}\n", comparison.report.display());
    }
    println!("{}", comparison.summary());
    Ok(exit::DONE)
}
