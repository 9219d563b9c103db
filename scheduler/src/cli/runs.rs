//! The commands of a fleet: submit, watch, run, reduce, report.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, anyhow};
use clap::Args;
use fidelis_shared::{
    events::Event,
    exit,
    files::{Files, ResolveError},
    ids::ChunkIndex,
    keys,
    queue::DeadChunk,
    seeds::Seeds,
    spec::{FileRef, RunSpec},
    store::Store,
};
use tokio::select;

use super::{
    Failure,
    console::Console,
    fleet::{FleetArgs, StoreArgs, prepare, run_of},
    presets::{PresetArgs, single},
    signals::Signals,
    transfer::Transfers,
};
use crate::{
    fleet::{Fleet, StoredRun},
    reduce::{self, Reduced},
    report::terminal,
    submit,
    watch::{Watch, Watched},
};

/// How often a fleet's run is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What to submit.
#[derive(Debug, Args)]
pub struct SubmitArgs {
    /// Spec of the run (.toml or .json)
    #[arg(required_unless_present = "preset", conflicts_with = "preset")]
    spec: Option<PathBuf>,
    #[command(flatten)]
    preset: PresetArgs,
    /// Seeds to run instead of the spec's, as 0-49999 or 1,2,5-10
    #[arg(long, value_name = "LIST")]
    seeds: Option<Seeds>,
    /// Keep both when another spec's run has the same name
    #[arg(long)]
    new: bool,
    #[command(flatten)]
    fleet: FleetArgs,
    /// JSON on stdout: events, one per line
    #[arg(long)]
    json: bool,
}

impl SubmitArgs {
    /// The spec or the preset, ready to run.
    async fn load(&self, files: &Files) -> Result<RunSpec, Failure> {
        let spec = match &self.spec {
            Some(path) => self.preset.precise(RunSpec::load(path)?)?,
            None => single(self.preset.specs()?)?,
        };
        prepare(spec, self.seeds.as_ref(), files).await
    }
}

/// What to watch.
#[derive(Debug, Args)]
pub struct WatchArgs {
    /// Id of the run, or its spec
    run: String,
    #[command(flatten)]
    fleet: FleetArgs,
    /// JSON on stdout: events, one per line
    #[arg(long)]
    json: bool,
}

/// Which complete run.
#[derive(Debug, Args)]
pub struct StoredArgs {
    /// Id of the run, or its spec
    run: String,
    #[command(flatten)]
    store: StoreArgs,
    /// JSON on stdout: the result
    #[arg(long)]
    json: bool,
}

impl SubmitArgs {
    /// The fleet, after checking that the spec's name is free there.
    async fn connect(&self, spec: &RunSpec) -> Result<Fleet, Failure> {
        let fleet = self.fleet.connect().await?;
        if !self.new {
            submit::check_name(&fleet.store, spec).await?;
        }
        Ok(fleet)
    }
}

/// Submits; prints the run's id.
pub async fn submit(args: SubmitArgs) -> Result<u8, Failure> {
    let spec = args.load(&args.fleet.store.files()).await?;
    let fleet = args.connect(&spec).await?;
    let submitted = submit::submit(&fleet, spec).await?;
    Console::new(args.json).tell(&submitted.event());
    if !args.json {
        println!("{}", submitted.run.run);
    }
    Ok(exit::DONE)
}

/// Watches to the end.
pub async fn watch(args: WatchArgs) -> Result<u8, Failure> {
    let run = run_of(&args.run, &args.fleet.store.files()).await?;
    let fleet = args.fleet.connect().await?;
    let run = submit::find(&fleet.store, &run).await?;
    let mut signals = Signals::watch().context("cannot watch for signals")?;
    submit::check_arithmetic(&fleet.store, &run).await?;
    let code = follow(&fleet, &run, &mut Console::new(args.json), &mut signals).await?;
    if code == exit::DONE {
        // A worker of another build may have been among those that made it.
        submit::check_arithmetic(&fleet.store, &run).await?;
    }
    Ok(code)
}

/// Submits, watches, reduces, reports.
pub async fn run(args: SubmitArgs) -> Result<u8, Failure> {
    let files = args.fleet.store.files();
    let spec = args.load(&files).await?;
    let fleet = args.connect(&spec).await?;
    match complete((&fleet, &files), spec, &mut Console::new(args.json)).await? {
        Ended::Finished(reduced) => print(&reduced, args.json),
        Ended::Interrupted(code) => Ok(code),
    }
}

/// How the making of runs ended.
#[derive(Debug)]
pub enum Ended<T> {
    /// Complete.
    Finished(T),
    /// By a signal of this exit code; what was stored is found again.
    Interrupted(u8),
}

/// Brings a run to its end on a fleet: submits, watches, reduces, reports.
///
/// # Errors
/// The fleet cannot be used, chunks are dead, or the run's objects are not what they should be.
pub async fn complete(
    (fleet, files): (&Fleet, &Files),
    spec: RunSpec,
    console: &mut Console,
) -> Result<Ended<Reduced>, Failure> {
    let mut signals = Signals::watch().context("cannot watch for signals")?;
    let submitted = submit::submit(fleet, spec).await?;
    console.tell(&submitted.event());
    let code = follow(fleet, &submitted.run, console, &mut signals).await?;
    if code != exit::DONE {
        return Ok(Ended::Interrupted(code));
    }
    let reduced = conclude((&fleet.store, files), &submitted.run, console).await?;
    fleet.queue.forget(&submitted.run.run).await?;
    Ok(Ended::Finished(reduced))
}

/// Reduces a complete run.
pub async fn reduce(args: StoredArgs) -> Result<u8, Failure> {
    let files = args.store.files();
    let run = run_of(&args.run, &files).await?;
    let store = args.store.connect().await?;
    let run = submit::find(&store, &run).await?;
    print(&reduce::reduce(&store, &with_statistics(&files, &run.spec).await?).await?, args.json)
}

/// Reduces a complete run and stores its reports.
pub async fn report(args: StoredArgs) -> Result<u8, Failure> {
    let files = args.store.files();
    let run = run_of(&args.run, &files).await?;
    let store = args.store.connect().await?;
    let run = submit::find(&store, &run).await?;
    let reduced = conclude((&store, &files), &run, &mut Console::new(false)).await?;
    print(&reduced, args.json)
}

/// Reduces a complete run and stores its reports; tells of both.
///
/// # Errors
/// The run's objects are not what they should be, or the store fails.
pub async fn conclude(
    (store, files): (&Store, &Files),
    run: &StoredRun,
    console: &mut Console,
) -> Result<Reduced, Failure> {
    let reduced = reduce::reduce(store, &with_statistics(files, &run.spec).await?).await?;
    console.tell(&Event::Reduced {
        run: run.run.clone(),
        num_images: reduced.manifest.num_images,
        num_chunks: reduced.manifest.chunks.len() as ChunkIndex,
    });
    reduce::publish(store, &reduced).await?;
    console.tell(&Event::Reported {
        run: run.run.clone(),
        result: store.url_of(&keys::result(&run.run)),
        report: store.url_of(&keys::report_html(&run.run)),
    });
    Ok(reduced)
}

/// The spec with its statistics on this machine, where it names them by address.
async fn with_statistics(files: &Files, spec: &RunSpec) -> Result<RunSpec, ResolveError> {
    let transfers = Transfers::default();
    let wanted = |field: &str, file: &FileRef| {
        file.is_url() && (field.ends_with(".reference") || field.ends_with(".held_out"))
    };
    files.localized(spec, wanted, &|transfer| transfers.tell(transfer)).await
}

/// The failure of a run whose missing chunks were given up.
pub fn incomplete(run: &StoredRun, dead: &[DeadChunk]) -> Failure {
    let list: Vec<String> = dead.iter().map(|dead| dead.chunk.to_string()).collect();
    let cause = dead.last().map_or("", |dead| &dead.cause);
    let (run, of, list) = (&run.run, run.plan.num_chunks(), list.join(", "));
    let text = format!(
        "run `{run}` is incomplete: chunks `{list}` of {of} are dead, the last for: {cause}; mend that and `fidelis retry` it, or submit it again"
    );
    Failure::new(exit::INCOMPLETE, anyhow!(text))
}

/// The failure of a run that somebody called off.
pub fn cancelled(run: &StoredRun) -> Failure {
    let text = format!("run `{}` was cancelled; submitting it again goes on from what is stored", run.run);
    Failure::new(exit::INCOMPLETE, anyhow!(text))
}

async fn follow(
    fleet: &Fleet,
    run: &StoredRun,
    console: &mut Console,
    signals: &mut Signals,
) -> Result<u8, Failure> {
    let mut tell = |event: &Event| console.tell(event);
    let watch = Watch::new(fleet, run, LOOK_EVERY).follow(&mut tell);
    let watched = select! {
        watched = watch => watched?,
        code = signals.next() => {
            console.say(&format!("interrupted: the run goes on without us; `fidelis watch {}` sees it again", run.run));
            return Ok(code);
        }
    };
    match watched {
        Watched::Stored => Ok(exit::DONE),
        Watched::Incomplete(dead) => Err(incomplete(run, &dead)),
        Watched::Cancelled => Err(cancelled(run)),
    }
}

/// The result on stdout.
///
/// # Errors
/// None that can be thought of: plain numbers become JSON.
pub fn print(reduced: &Reduced, json: bool) -> Result<u8, Failure> {
    if json {
        println!("{}", serde_json::to_string(&reduced.result)?);
    } else {
        print!("{}", terminal(std::slice::from_ref(&reduced.result)));
    }
    Ok(exit::DONE)
}
