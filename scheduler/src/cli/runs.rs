//! The commands of a fleet: submit, watch, run, reduce, report.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use fidelis_contract::{
    events::Event,
    exit,
    result::RunResult,
    run::Run,
    seeds::Seeds,
    spec::{ResolvedSpec, RunSpec},
};
use fidelis_fleet::{files::Files, fleet::Fleet, out};
use serde_json::json;

use super::{
    Failure,
    console::Console,
    fleet::{FleetArgs, prepare},
    presets::{PresetArgs, single},
    session::{Ended, Session},
    stored_at::StoredAt,
    target::TargetArgs,
    transfer::Transfers,
};
use crate::{
    compare::repeats,
    conduct::{ConductError, Home, Listener, submit},
    reduce::Reduced,
    report::terminal,
};

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
        Ok(prepare(self.read()?, None, files).await?)
    }

    /// The spec or the preset, of the seeds that are asked for.
    fn read(&self) -> Result<RunSpec, Failure> {
        let mut spec = match &self.spec {
            Some(path) => self.preset.precise(RunSpec::load(path)?)?,
            None => single(self.preset.specs()?)?,
        };
        if let Some(seeds) = &self.seeds {
            spec.seeds = seeds.clone();
        }
        Ok(spec)
    }
}

/// What to run.
#[derive(Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    submit: SubmitArgs,
    /// Run it on as many disjoint lists of seeds, each the next after the one before: what is chance in its metrics
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    repeats: u32,
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
    stored: StoredAt,
    /// JSON on stdout: the result
    #[arg(long)]
    json: bool,
}

impl SubmitArgs {
    /// The fleet, after checking that the spec's name is free there.
    async fn connect(&self, specs: &[ResolvedSpec]) -> Result<Fleet, Failure> {
        let fleet = self.fleet.connect().await?;
        for spec in specs.iter().filter(|_| !self.new) {
            submit::check_name(&fleet.store, spec).await?;
        }
        Ok(fleet)
    }
}

/// Submits; prints the run's id.
pub async fn submit(args: SubmitArgs) -> Result<u8, Failure> {
    let spec = args.load(&args.fleet.store.files()).await?;
    let fleet = args.connect(std::slice::from_ref(&spec)).await?;
    let submitted = submit::submit(&fleet, spec).await?;
    Console::new(args.json).tell(&submitted.event());
    if !args.json {
        out::line(&submitted.run.id);
    }
    Ok(exit::DONE)
}

/// Watches to the end.
pub async fn watch(args: WatchArgs) -> Result<u8, Failure> {
    let files = args.fleet.store.files();
    let target = args.target.read(&files).await?;
    let fleet = args.fleet.connect().await?;
    let run = target.find(&fleet.store).await?;
    submit::check_arithmetic(&fleet.store, &run).await?;
    let mut session = Session::of_fleet(fleet, files, Console::new(args.json))?;
    if let Ended::Interrupted(code) = session.follow(&run).await? {
        return Ok(code);
    }
    // A worker of another build may have been among those that made it.
    submit::check_arithmetic(&session.conductor.fleet().store, &run).await?;
    Ok(exit::DONE)
}

/// Submits, watches, reduces, reports.
pub async fn run(RunArgs { submit: args, repeats }: RunArgs) -> Result<u8, Failure> {
    let files = args.fleet.store.files();
    let mut specs = Vec::new();
    for spec in repeats::specs(&args.read()?, repeats)? {
        specs.push(prepare(spec, None, &files).await?);
    }
    let fleet = args.connect(&specs).await?;
    let finished = match Session::of_fleet(fleet, files, Console::new(args.json))?.complete(specs).await? {
        Ended::Finished(finished) => finished,
        Ended::Interrupted(code) => return Ok(code),
    };
    finished.iter().try_for_each(|reduced| print(reduced, args.json))?;
    let results: Vec<RunResult> = finished.into_iter().map(|reduced| reduced.result).collect();
    let repeats = repeats::of_results(&results);
    match args.json {
        true if !repeats.is_empty() => out::json(json!({ "repeats": repeats::to_json(&repeats) })),
        true => {}
        false => tell(&repeats),
    }
    Ok(exit::DONE)
}

/// A line for each detector.
pub(super) fn tell(repeats: &[(String, String, repeats::Repeats)]) {
    for (detector, metric, of) in repeats {
        out::line(format!("repeats  {metric} ({detector}): {}", of.line()));
    }
}

/// Reduces a complete run.
pub async fn reduce(args: StoredArgs) -> Result<u8, Failure> {
    stored(args, async |home, run| {
        let transfers = Transfers::default();
        home.reduce(run, &|transfer| transfers.tell(transfer)).await
    })
    .await
}

/// Reduces a complete run and stores its reports.
pub async fn report(args: StoredArgs) -> Result<u8, Failure> {
    stored(args, async |home, run| {
        let (mut console, transfers) = (Console::new(false), Transfers::default());
        let mut listener = Listener {
            events: &mut |event: &Event| console.tell(event),
            transfers: &|transfer| transfers.tell(transfer),
        };
        home.conclude(run, None, &mut listener).await
    })
    .await
}

/// Finds a complete run, has something made of it, and prints its result.
async fn stored(
    args: StoredArgs,
    make: impl AsyncFnOnce(Home<'_>, &Run) -> Result<Reduced, ConductError>,
) -> Result<u8, Failure> {
    let files = args.stored.files();
    let target = args.target.read(&files).await?;
    let opened = args.stored.open().await?;
    let run = target.find(opened.store()).await?;
    let reduced = make(Home { store: opened.store(), files: &files, folder: None }, &run).await?;
    print(&reduced, args.json)?;
    Ok(exit::DONE)
}

/// The result on stdout.
///
/// # Errors
/// None that can be thought of: plain numbers become JSON.
pub fn print(reduced: &Reduced, json: bool) -> Result<(), Failure> {
    if json {
        out::json(serde_json::to_string(&reduced.result).context("the result as JSON")?);
    } else {
        out::text(&terminal(std::slice::from_ref(&reduced.result)));
    }
    Ok(())
}
