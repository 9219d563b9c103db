//! `fidelis sweep`: which settings are best?

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow};
use clap::Args;
use fidelis_contract::{
    exit, keys,
    seeds::Seeds,
    spec::RunSpec,
    sweep::{Axis, Budget, Ending, Row, SweepDraft, SweepError, Table, ordered},
};
use fidelis_fleet::{files::Files, out};
use fidelis_formats::atomic;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    Failure,
    console::Console,
    fleet::files,
    made_at::MadeAt,
    presets::{PresetArgs, single},
    session::{Ended, Session},
    transfer::Transfers,
};
use crate::{
    report::sweep::terminal,
    sweep::{self, File, Sweep, SweepRequest, SweepRunError, Until},
};

/// What to sweep.
#[derive(Debug, Args)]
pub struct SweepArgs {
    /// Sweep (.toml): its base spec, its axes and its rules; options here count before it
    #[arg(value_name = "SWEEP", required_unless_present_any = ["spec", "preset"], conflicts_with_all = ["spec", "preset"])]
    file: Option<PathBuf>,
    /// Base spec (.toml or .json): what all cells have in common
    #[arg(long, value_name = "SPEC", conflicts_with = "preset")]
    spec: Option<PathBuf>,
    #[command(flatten)]
    preset: PresetArgs,
    #[command(flatten)]
    axes: AxisArgs,
    /// What the sweep is called [default: as its base spec]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Seeds of every cell instead of the base spec's, as 0-49999 or 1,2,5-10
    #[arg(long, value_name = "LIST")]
    seeds: Option<Seeds>,
    /// What cells are compared by: fid, fd_dinov2 or fd [default: the distance of the base spec's detector]
    #[arg(long, value_name = "METRIC")]
    metric: Option<String>,
    /// The detector, where several have that metric
    #[arg(long, value_name = "NAME")]
    detector: Option<String>,
    /// Make the grid finer around the best cell, so often
    #[arg(long, value_name = "ROUNDS", num_args = 0..=1, require_equals = true, default_missing_value = "1")]
    refine: Option<u32>,
    /// Make all images of every cell, however hopeless
    #[arg(long)]
    full: bool,
    /// What it may cost: images (20000), or time (90s, 30m, 2h)
    #[arg(long, value_name = "BUDGET")]
    budget: Option<Budget>,
    #[command(flatten)]
    place: MadeAt,
    /// Folder that the table and the pictures are written to as well
    #[arg(long, value_name = "DIR")]
    dest: Option<PathBuf>,
    /// Take what is queued of the sweep out of the queue; starting it again goes on from what is stored
    #[arg(long)]
    cancel: bool,
    /// Nothing but JSON on stdout: events, one per line, and the table
    #[arg(long)]
    json: bool,
}

/// What is varied. Numbers are a list (1,1.2,1.4), a range with its ends (1:3:0.25), or both.
#[derive(Debug, Args)]
struct AxisArgs {
    /// Guidance weights
    #[arg(long, value_name = "NUMBERS", allow_hyphen_values = true)]
    guidance: Option<String>,
    /// Intervals of noise levels that are guided, as all,0.19:1.61
    #[arg(long, value_name = "INTERVALS")]
    interval: Option<String>,
    /// Main nets, a list of files; with --net-ema also folders that `fidelis-worker phema` or `train` left
    #[arg(long, value_name = "FILES")]
    net: Option<String>,
    /// EMA lengths of the main net, from files that differ in the length in their names alone
    #[arg(long, value_name = "NUMBERS")]
    net_ema: Option<String>,
    /// Guiding nets, likewise
    #[arg(long, value_name = "FILES")]
    gnet: Option<String>,
    /// EMA lengths of the guiding net, likewise
    #[arg(long, value_name = "NUMBERS")]
    gnet_ema: Option<String>,
    /// Steps of the sampler
    #[arg(long, value_name = "NUMBERS")]
    steps: Option<String>,
    /// S_churn
    #[arg(long, value_name = "NUMBERS")]
    churn: Option<String>,
    /// Another number of the spec, as sampler.rho=5,7,9; may be several
    #[arg(long, value_name = "FIELD=NUMBERS", allow_hyphen_values = true)]
    axis: Vec<String>,
}

/// Sweeps; the last line on stdout is a summary as JSON, or with `--json` the table.
pub async fn sweep(args: SweepArgs) -> Result<u8, Failure> {
    [&args.dest, &args.place.local]
        .into_iter()
        .flatten()
        .try_for_each(|folder| atomic::check_folder(folder))?;
    let files = files(args.place.s3_endpoint.clone());
    let (request, until) = args.request()?;
    let transfers = Transfers::default();
    let mut sweep = sweep::prepare(request, &files, &|transfer| transfers.tell(transfer)).await?;
    let (json, dest) = (args.json, args.dest);
    let console = Console::of_sweep(json);
    if args.cancel {
        let cells = cancel(args.place, &sweep, files, console).await?;
        out::note(format!("{}: {cells} cells called off", sweep.id));
        return Ok(exit::DONE);
    }
    let mut session = args.place.session(files, console).await?;
    match session.sweep(&mut sweep, until).await? {
        Ended::Finished(table) => present(&session, &table, (dest.as_deref(), json)).await,
        Ended::Interrupted(code) => Ok(code),
    }
}

impl SweepArgs {
    /// What is meant, and when it is to end.
    fn request(&self) -> Result<(SweepRequest, Until), Failure> {
        let here = env::current_dir().context("there is no working directory")?;
        let (mut draft, mut axes, mut base) = match (&self.file, &self.spec) {
            (Some(file), _) => self.written(file, &here)?,
            (None, Some(spec)) => {
                (SweepDraft::default(), Vec::new(), self.preset.precise(RunSpec::load(spec)?)?)
            }
            (None, None) => (SweepDraft::default(), Vec::new(), single(self.preset.specs()?)?),
        };
        let mut typed = self.axes.parsed()?;
        typed.iter_mut().for_each(|axis| axis.anchor(&here));
        axes.extend(typed);
        draft.refine = self.refine.unwrap_or(draft.refine);
        draft.check()?;
        if let Some(seeds) = self.seeds.clone().or(draft.seeds) {
            base.seeds = seeds;
        }
        let budget = self.budget.or(draft.budget);
        let until = match budget {
            Some(Budget::Time(time)) => Some(Instant::now() + time),
            _ => None,
        };
        let request = SweepRequest {
            name: self.name.clone().or(draft.name).unwrap_or_else(|| base.name.clone()),
            base,
            axes: ordered(axes),
            metric: self.metric.clone().or(draft.metric),
            detector: self.detector.clone().or(draft.detector),
            refine: draft.refine,
            full: self.full || draft.full,
            budget,
        };
        Ok((request, until))
    }

    /// A sweep's file, with its base spec.
    fn written(&self, file: &Path, here: &Path) -> Result<(SweepDraft, Vec<Axis>, RunSpec), Failure> {
        let shown = file.display().to_string();
        let text = std::fs::read_to_string(file).with_context(|| format!("cannot read sweep `{shown}`"))?;
        let folder = here.join(file);
        let folder = folder.parent().unwrap_or(here);
        let (draft, axes) = SweepDraft::from_toml(&text, &shown, folder)?;
        let Some(spec) = &draft.spec else {
            let problem = "missing: name the base spec, what all cells have in common".to_owned();
            return Err(SweepError::Field { field: "spec", problem }.into());
        };
        let base = self.preset.precise(RunSpec::load(&folder.join(spec))?)?;
        Ok((draft, axes, base))
    }
}

impl AxisArgs {
    fn parsed(&self) -> Result<Vec<Axis>, Failure> {
        let Self { guidance, interval, net, net_ema, gnet, gnet_ema, steps, churn, axis } = self;
        let named = [
            ("guidance", guidance),
            ("interval", interval),
            ("net", net),
            ("net_ema", net_ema),
            ("gnet", gnet),
            ("gnet_ema", gnet_ema),
            ("steps", steps),
            ("churn", churn),
        ];
        let mut given: Vec<(&str, &str)> =
            named.iter().filter_map(|(name, values)| Some((*name, values.as_deref()?))).collect();
        for text in axis {
            let pair = text.split_once('=').ok_or_else(|| {
                let text = format!("`--axis {text}` has no values: write it as `sampler.rho=5,7,9`");
                Failure::new(exit::USAGE, anyhow!(text))
            })?;
            given.push(pair);
        }
        let parsed =
            given.into_iter().map(|(name, values)| Axis::parse(name.trim().parse()?, &Value::from(values)));
        Ok(parsed.collect::<Result<Vec<Axis>, SweepError>>()?)
    }
}

async fn cancel(place: MadeAt, sweep: &Sweep, files: Files, console: Console) -> Result<u64, Failure> {
    let session = place.session(files, console).await?;
    Ok(sweep::cancel(session.conductor.fleet(), sweep).await?)
}

/// Stores and prints what came of it.
async fn present(
    session: &Session,
    table: &Table,
    (dest, json): (Option<&Path>, bool),
) -> Result<u8, Failure> {
    let home = session.conductor.home();
    let of = table.clone();
    let files = tokio::task::spawn_blocking(move || sweep::renderings(&of)).await.context("drawing")??;
    sweep::write(home.store, table, &files).await?;
    if let Some(dest) = dest {
        for File { name, bytes, .. } in &files {
            let path = dest.join(name);
            atomic::write(&path, bytes).map_err(|source| SweepRunError::Write { path, source })?;
        }
    }
    let place = |name: &str| match dest {
        Some(dest) => dest.join(name).display().to_string(),
        None => home.address_of(&keys::sweep_file(&table.sweep, name)),
    };
    let places: Vec<(&str, String)> = files.iter().map(|file| (file.name, place(file.name))).collect();
    if json {
        out::json(serde_json::to_string(table).context("the table as JSON")?);
    } else {
        out::text(&terminal(table));
        out::line("");
        places.iter().for_each(|(name, place)| out::line(format!("{name:<10}  {place}")));
        out::line("");
        out::json(summary(table, &places));
    }
    Ok(if table.ending == Ending::Incomplete { exit::INCOMPLETE } else { exit::DONE })
}

/// The last line for scripts.
fn summary(table: &Table, places: &[(&str, String)]) -> Value {
    let cell = |row: &Row| json!({ "run": row.run, "settings": row.settings, "value": row.value, "sd": row.sd, "interval": row.interval });
    let open = table.not_told_apart.iter().filter_map(|run| Some(&table.row(run)?.settings));
    json!({
        "sweep": table.sweep,
        "metric": table.metric,
        "ending": table.ending,
        "cells": table.rows.len(),
        "stopped": table.rows.iter().filter(|row| row.stopped).count(),
        "num_images": table.num_images,
        "best": table.best_row().map(cell),
        "not_told_apart": open.collect::<Vec<_>>(),
        "files": places.iter().map(|(name, place)| (*name, place.as_str())).collect::<std::collections::BTreeMap<_, _>>(),
    })
}
