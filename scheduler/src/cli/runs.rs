//! The commands of a fleet: submit, watch, run, reduce, report.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context, anyhow};
use clap::Args;
use fidelis_contract::{
    dead::DeadChunk,
    events::Event,
    exit,
    ids::ChunkIndex,
    keys,
    run::Run,
    seeds::Seeds,
    spec::{FileRef, LocalSpec, ResolvedSpec, RunSpec},
};
use fidelis_fleet::{
    files::{Files, ResolveError},
    fleet::Fleet,
    out,
    signals::Signals,
    store::Store,
};
use tokio::select;

use super::{
    Failure,
    console::Console,
    fleet::{FleetArgs, StoreArgs, prepare},
    presets::{PresetArgs, single},
    target::TargetArgs,
    transfer::Transfers,
};
use crate::{
    reduce::{self, Reduced},
    report::{Making, terminal},
    submit::{self, Submitted},
    watch::{Watch, Watched},
};
use fidelis_embedded::LocalFleet;

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
    async fn load(&self, files: &Files) -> Result<ResolvedSpec, Failure> {
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
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    fleet: FleetArgs,
    /// JSON on stdout: events, one per line
    #[arg(long)]
    json: bool,
}

/// Which complete run.
#[derive(Debug, Args)]
pub struct StoredArgs {
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    store: StoreArgs,
    /// JSON on stdout: the result
    #[arg(long)]
    json: bool,
}

impl SubmitArgs {
    /// The fleet, after checking that the spec's name is free there.
    async fn connect(&self, spec: &ResolvedSpec) -> Result<Fleet, Failure> {
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
        out::line(&submitted.run.id);
    }
    Ok(exit::DONE)
}

/// Watches to the end.
pub async fn watch(args: WatchArgs) -> Result<u8, Failure> {
    let target = args.target.read(&args.fleet.store.files()).await?;
    let fleet = args.fleet.connect().await?;
    let run = target.find(&fleet.store).await?;
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
    spec: ResolvedSpec,
    console: &mut Console,
) -> Result<Ended<Reduced>, Failure> {
    let mut signals = Signals::watch().context("cannot watch for signals")?;
    let begun = Instant::now();
    let submitted = submit::submit(fleet, spec).await?;
    console.tell(&submitted.event());
    let code = follow(fleet, &submitted.run, console, &mut signals).await?;
    if code != exit::DONE {
        return Ok(Ended::Interrupted(code));
    }
    let place = Place::of_fleet(&fleet.store, files);
    let reduced = conclude(&place, &submitted.run, Some(making(&submitted, begun)), console).await?;
    fleet.queue.forget(&submitted.run.id).await?;
    Ok(Ended::Finished(reduced))
}

/// Reduces a complete run.
pub async fn reduce(args: StoredArgs) -> Result<u8, Failure> {
    let files = args.store.files();
    let target = args.target.read(&files).await?;
    let store = args.store.connect().await?;
    let run = target.find(&store).await?;
    print(&reduce::reduce(&store, &run, &with_statistics(&files, &run.spec).await?).await?, args.json)
}

/// Reduces a complete run and stores its reports.
pub async fn report(args: StoredArgs) -> Result<u8, Failure> {
    let files = args.store.files();
    let target = args.target.read(&files).await?;
    let store = args.store.connect().await?;
    let run = target.find(&store).await?;
    let reduced = conclude(&Place::of_fleet(&store, &files), &run, None, &mut Console::new(false)).await?;
    print(&reduced, args.json)
}

/// Where a run is made, and where people find it.
pub struct Place<'a> {
    store: &'a Store,
    files: &'a Files,
    /// The folder behind the store, where it is one of this machine.
    folder: Option<&'a LocalFleet>,
}

impl<'a> Place<'a> {
    /// A fleet's store.
    pub fn of_fleet(store: &'a Store, files: &'a Files) -> Self {
        Self { store, files, folder: None }
    }

    /// A folder of this machine.
    pub fn here(fleet: &'a LocalFleet, files: &'a Files) -> Self {
        Self { store: &fleet.fleet.store, files, folder: Some(fleet) }
    }

    /// What people can open: a file, or the store's address.
    fn address_of(&self, key: &str) -> String {
        self.folder.map_or_else(|| self.store.url_of(key), |folder| folder.path_of(key).display().to_string())
    }
}

/// What was made of a run since `begun`, of which all is stored now.
pub fn making(submitted: &Submitted, begun: Instant) -> Making {
    let run = &submitted.run;
    let num_images = run.plan.num_images() - run.num_images(&submitted.stored);
    Making { num_images, seconds: begun.elapsed().as_secs_f64() }
}

/// Reduces a complete run and stores its reports; tells of both.
///
/// # Errors
/// The run's objects are not what they should be, or the store fails.
pub async fn conclude(
    place: &Place<'_>,
    run: &Run,
    making: Option<Making>,
    console: &mut Console,
) -> Result<Reduced, Failure> {
    let Place { store, files, .. } = *place;
    // Where nothing was made, what an earlier result says of the making stays.
    let making = making.filter(|making| making.num_images > 0);
    let reduced =
        reduce::reduce_made(store, (run, &with_statistics(files, &run.spec).await?), making).await?;
    console.tell(&Event::Reduced {
        run: run.id.clone(),
        num_images: reduced.manifest.num_images,
        num_chunks: reduced.manifest.chunks.len() as ChunkIndex,
    });
    reduce::publish(store, &reduced).await?;
    console.tell(&Event::Reported {
        run: run.id.clone(),
        result: place.address_of(&keys::result(&run.id)),
        report: place.address_of(&keys::report_html(&run.id)),
    });
    Ok(reduced)
}

/// The spec with its statistics on this machine, where it names them by address.
async fn with_statistics(files: &Files, spec: &ResolvedSpec) -> Result<LocalSpec, ResolveError> {
    let transfers = Transfers::default();
    let wanted = |field: &str, file: &FileRef| {
        file.is_url() && (field.ends_with(".reference") || field.ends_with(".held_out"))
    };
    files.localized(spec, wanted, &|transfer| transfers.tell(transfer)).await
}

/// What is to be done about dead chunks of a fleet, and of this machine's own.
const RETRY: &str = "`fidelis retry` it, or submit it again";
pub const AGAIN: &str = "run the same command again";

/// The failure of a run whose missing chunks were given up, with the causes that were not told yet and what to do next.
pub fn incomplete(run: &Run, dead: &[DeadChunk], console: &Console, next: &str) -> Failure {
    const SHOWN: usize = 3;
    let list: Vec<String> = dead.iter().map(|dead| dead.chunk.to_string()).collect();
    let causes = console.untold(dead);
    let more = causes.len().saturating_sub(SHOWN);
    let mut causes = causes.into_iter().take(SHOWN).collect::<Vec<_>>().join("; ");
    if more > 0 {
        causes += &format!("; and {more} more causes");
    }
    let why = if causes.is_empty() { "for what is told above".to_owned() } else { format!("for: {causes}") };
    let (run, of, list) = (&run.id, run.plan.num_chunks(), list.join(", "));
    let text =
        format!("run `{run}` is incomplete: chunks `{list}` of {of} are dead, {why}; mend that and {next}");
    Failure::new(exit::INCOMPLETE, anyhow!(text))
}

/// The failure of a run that somebody called off.
pub fn cancelled(run: &Run) -> Failure {
    let text = format!("run `{}` was cancelled; submitting it again goes on from what is stored", run.id);
    Failure::new(exit::INCOMPLETE, anyhow!(text))
}

async fn follow(
    fleet: &Fleet,
    run: &Run,
    console: &mut Console,
    signals: &mut Signals,
) -> Result<u8, Failure> {
    let mut tell = |event: &Event| console.tell(event);
    let watch = Watch::new(fleet, run, LOOK_EVERY).follow(&mut tell);
    let watched = select! {
        watched = watch => watched?,
        code = signals.next() => {
            console.say(&format!("interrupted: the run goes on without us; `fidelis watch {}` sees it again", run.id));
            return Ok(code);
        }
    };
    match watched {
        Watched::Stored => Ok(exit::DONE),
        Watched::Incomplete(dead) => Err(incomplete(run, &dead, console, RETRY)),
        Watched::Cancelled => Err(cancelled(run)),
    }
}

/// The result on stdout.
///
/// # Errors
/// None that can be thought of: plain numbers become JSON.
pub fn print(reduced: &Reduced, json: bool) -> Result<u8, Failure> {
    if json {
        out::json(serde_json::to_string(&reduced.result).context("the result as JSON")?);
    } else {
        out::text(&terminal(std::slice::from_ref(&reduced.result)));
    }
    Ok(exit::DONE)
}
