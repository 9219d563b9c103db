//! `fidelis local`: the whole fleet on this machine, for as long as its runs take.

use std::{collections::BTreeSet, env, path::PathBuf};

use anyhow::anyhow;
use clap::Args;
use fidelis_contract::{
    exit, keys,
    seeds::Seeds,
    spec::{ResolvedSpec, RunSpec},
};
use fidelis_fleet::{files::Files, out};
use fidelis_formats::atomic;
use serde_json::Value;

use super::{
    Failure,
    console::Console,
    fleet::{files, prepare},
    presets::PresetArgs,
    runs::tell,
    session::{Ended, MachineArgs, Session},
};
use crate::{compare::repeats, comparison, conduct::Home, reduce::Reduced, report::terminal};

/// Names that mean something else in the summary.
const RESERVED: [&str; 5] = ["floor", "sheet", "report", "runs", "repeats"];

/// What to run, and where the results go.
#[derive(Debug, Args)]
pub struct LocalArgs {
    /// Specs (.toml or .json), run one after the other and compared
    #[arg(required_unless_present = "preset", conflicts_with = "preset", value_name = "SPEC")]
    specs: Vec<PathBuf>,
    #[command(flatten)]
    preset: PresetArgs,
    /// Folder for the store and the reports; what an earlier call left there is gone on with
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Seeds to run instead of the specs', as 0-49999 or 1,2,5-10
    #[arg(long, value_name = "LIST")]
    seeds: Option<Seeds>,
    /// Run each on as many disjoint lists of seeds, each the next after the one before: what is chance in its metrics
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    repeats: u32,
    #[command(flatten)]
    machine: MachineArgs,
    /// Nothing but JSON on stdout: events, one per line, and the summary
    #[arg(long)]
    json: bool,
}

/// Runs the specs; the last line on stdout is the summary as JSON.
pub async fn local(args: LocalArgs) -> Result<u8, Failure> {
    atomic::check_folder(&args.out)?;
    ["report.html", "sheet.png"].iter().try_for_each(|name| atomic::check_file(&args.out.join(name)))?;
    let files = files(env::var("FIDELIS_S3_ENDPOINT").ok());
    let specs = load_all(&args, &files).await?;
    let mut session = Session::here(&args.out, args.machine.clone(), files, Console::new(args.json)).await?;
    match session.complete(specs).await? {
        Ended::Finished(finished) => present(&args, session.conductor.home(), &finished).await,
        Ended::Interrupted(code) => Ok(code),
    }
}

/// Reads and checks everything before anything is started.
async fn load_all(args: &LocalArgs, files: &Files) -> Result<Vec<ResolvedSpec>, Failure> {
    let mut read = args.preset.specs()?;
    for path in &args.specs {
        read.push(args.preset.precise(RunSpec::load(path)?)?);
    }
    let mut all = Vec::with_capacity(read.len());
    for mut spec in read {
        if let Some(seeds) = &args.seeds {
            spec.seeds = seeds.clone();
        }
        all.extend(repeats::specs(&spec, args.repeats)?);
    }
    check_names(&all)?;
    let mut specs = Vec::with_capacity(all.len());
    for spec in all {
        specs.push(prepare(spec, None, files).await?);
    }
    Ok(specs)
}

fn check_names(specs: &[RunSpec]) -> Result<(), Failure> {
    let mut names = BTreeSet::new();
    for RunSpec { name, .. } in specs {
        let text = match name.as_str() {
            reserved if RESERVED.contains(&reserved) => format!(
                "the name `{name}` is reserved: it means something else in the summary; give the spec another"
            ),
            _ if !names.insert(name) => format!("two specs are called `{name}`: give each a name of its own"),
            _ => continue,
        };
        return Err(Failure::new(exit::USAGE, anyhow!(text)));
    }
    Ok(())
}

/// Writes the comparison; prints it for people and, in one last line, for scripts.
async fn present(args: &LocalArgs, home: Home<'_>, finished: &[Reduced]) -> Result<u8, Failure> {
    let comparison = comparison::write(home.store, finished, &args.out).await?;
    let repeats = comparison.runs.chunks(args.repeats as usize);
    let repeats: Vec<_> = repeats.map(|runs| (&runs[0].name, repeats::of_results(runs))).collect();
    if !args.json {
        out::line(terminal(&comparison.runs));
        for run in &comparison.runs {
            out::line(format!("objects  {}", home.address_of(&keys::run_prefix(&run.run))));
        }
        for (name, repeats) in repeats.iter().filter(|(_, repeats)| !repeats.is_empty()) {
            out::line(format!("{name}:"));
            tell(repeats);
        }
        if let Some(sheet) = &comparison.sheet {
            out::line(format!("sheet    {}", sheet.display()));
        }
        out::line(format!("report   {}\n", comparison.report.display()));
    }
    let mut line = if args.json { comparison.summary() } else { comparison.last_line() };
    if args.repeats > 1 {
        let repeats = repeats.iter().map(|(name, of)| ((*name).clone(), repeats::to_json(of)));
        line["repeats"] = Value::Object(repeats.collect());
    }
    out::json(line);
    Ok(exit::DONE)
}
