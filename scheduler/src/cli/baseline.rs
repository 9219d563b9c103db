//! `fidelis baseline`: what nights are compared with, accepted by somebody for a reason.

use std::{
    path::{Path, PathBuf},
    time::SystemTime,
};

use anyhow::anyhow;
use clap::{Args, Subcommand};
use fidelis_contract::{
    baseline::{Accepted, Baseline, Bound},
    exit,
    maker::rfc3339,
    seeds::Seeds,
    spec::RunSpec,
};
use fidelis_fleet::{files::Transfer, out};
use fidelis_formats::atomic;

use super::{
    Failure,
    fleet::prepare,
    sitting::{SittingArgs, Stop, make, who},
    stored_at::StoredAt,
    target::Target,
    transfer::Transfers,
};
use crate::regress::{Cut, Kept, Place, accept::Acceptance, accept::Made, diff::Diff};

/// What to do with baselines.
#[derive(Debug, Subcommand)]
pub enum BaselineCommand {
    /// Keep what the images of a spec come to, made anew, or those of a run, as the baseline of later nights
    Accept(AcceptArgs),
    /// What a baseline is, and who accepted it, when and why
    Show(ShowArgs),
    /// How one baseline differs from another
    Diff(DiffArgs),
}

/// What is accepted, by whom and why.
#[derive(Debug, Args)]
pub struct AcceptArgs {
    /// Spec of the images, which are made anew; its seeds are cut into blocks
    #[arg(long, value_name = "SPEC", required_unless_present = "run", conflicts_with = "run")]
    spec: Option<PathBuf>,
    /// A complete run whose images are accepted as they are (its id, its name, the beginning of its id, or its spec), in
    /// blocks of whole chunks
    #[arg(long, value_name = "RUN", conflicts_with = "night")]
    run: Option<String>,
    /// Line of baselines that it continues
    #[arg(long, value_name = "NAME", default_value = "main")]
    name: String,
    /// Why it is accepted
    #[arg(long, value_name = "TEXT")]
    why: String,
    /// Who accepts it [default: as git knows you]
    #[arg(long, value_name = "NAME")]
    who: Option<String>,
    /// Blocks of seeds: a night looks at one, and at another before any alarm
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(2..=256))]
    blocks: u32,
    /// Images of each block that a night compares one by one
    #[arg(long, value_name = "N", default_value_t = 256)]
    identity: u64,
    /// How far two images of the same seed may be apart, as a share of the largest magnitude, and count as the same but
    /// for rounding
    #[arg(long, value_name = "SHARE", default_value_t = 1e-3)]
    bound: f64,
    /// File that names it in later commands, as its name in the store does
    #[arg(long, value_name = "FILE", default_value = "baseline.json")]
    out: PathBuf,
    #[command(flatten)]
    sitting: SittingArgs,
    /// Nothing but JSON on stdout: events, one per line, and the baseline
    #[arg(long)]
    json: bool,
}

/// Which baseline.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// A `baseline.json`, or the name of a baseline in the store (the newest, or NAME/NUMBER)
    #[arg(value_name = "FILE|NAME")]
    baseline: String,
    #[command(flatten)]
    place: StoredAt,
    /// JSON on stdout
    #[arg(long)]
    json: bool,
}

/// Which baselines.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// The earlier one: a file or a name, as for `show`
    #[arg(value_name = "BEFORE")]
    before: String,
    /// The later one
    #[arg(value_name = "AFTER")]
    after: String,
    #[command(flatten)]
    place: StoredAt,
    /// JSON on stdout
    #[arg(long)]
    json: bool,
}

/// Does it.
pub async fn baseline(command: BaselineCommand) -> Result<u8, Failure> {
    match command {
        BaselineCommand::Accept(args) => accept(args).await,
        BaselineCommand::Show(args) => show(args).await,
        BaselineCommand::Diff(args) => diff(args).await,
    }
}

async fn accept(args: AcceptArgs) -> Result<u8, Failure> {
    let refuse = |text: &str| Err(Failure::new(exit::USAGE, anyhow!("{text}")));
    if args.why.trim().is_empty() {
        return refuse("`--why` is empty: say why these images are what later nights should be like");
    }
    if !(0.0..1.0).contains(&args.bound) {
        return refuse("`--bound` is no share of a magnitude: give 0 to 1, such as 0.001");
    }
    Acceptance::check_name(&args.name)?;
    atomic::check_file(&args.out)?;
    let accepted = match (args.run.clone(), args.spec.clone()) {
        (Some(run), _) => of_run(run, &args).await,
        (None, spec) => of_spec(&spec.unwrap_or_default(), &args).await,
    };
    match accepted {
        Ok(kept) => {
            let json = kept.baseline.to_json()?;
            atomic::write_or_keep(&args.out, &json)?;
            print(&kept, args.json);
            Ok(exit::DONE)
        }
        Err(stop) => stop.code(),
    }
}

impl AcceptArgs {
    fn acceptance(&self, cut: Cut, night: String) -> Acceptance {
        Acceptance {
            cut,
            name: self.name.clone(),
            accepted: Accepted {
                who: self.who.clone().unwrap_or_else(who),
                when: rfc3339(SystemTime::now()),
                why: self.why.clone(),
                previous: None,
            },
            bound: Bound { latents: self.bound, features: self.bound },
            night,
        }
    }
}

/// Of images that are made for it.
async fn of_spec(spec: &Path, args: &AcceptArgs) -> Result<Kept, Stop> {
    let files = args.sitting.files();
    let spec = RunSpec::load(spec).map_err(Failure::from)?;
    let spec = prepare(spec, None, &files).await.map_err(Failure::from)?;
    let night = args.sitting.night();
    let acceptance = args.acceptance(Cut::new(&spec.seeds, args.blocks, args.identity)?, night.clone());
    let mut session = args.sitting.session(args.json).await?;
    let transfers = Transfers::default();
    let progress = |transfer: &Transfer<'_>| transfers.tell(transfer);
    let store = session.conductor.fleet().store.clone();
    let place = Place { store, files, progress: &progress };
    let made = acceptance.make(&spec, &place, &mut async |runs| make(&mut session, runs).await).await;
    let kept = match made {
        Ok(made) => keep(made, &place, args.json).await,
        Err(stop) => Err(stop),
    };
    kept.inspect_err(|_| out::note(format!("accepting is gone on with by `--night {night}`")))
}

/// Of those of a run that is there.
async fn of_run(run: String, args: &AcceptArgs) -> Result<Kept, Stop> {
    let (files, stored_at) = (args.sitting.files(), args.sitting.stored_at());
    let target = Target::of(&run, &files).await?;
    let opened = stored_at.open().await?;
    let run = target.find(opened.store()).await?;
    let cut = Cut::of_chunks(&run.spec, args.blocks, args.identity)?;
    let left_out = run.plan.num_images() - cut.blocks.iter().map(Seeds::len).sum::<u64>();
    if left_out > 0 {
        out::note(format!(
            "{left_out} of its {} images are in no block of whole chunks",
            run.plan.num_images()
        ));
    }
    let transfers = Transfers::default();
    let progress = |transfer: &Transfer<'_>| transfers.tell(transfer);
    let place = Place { store: opened.store().clone(), files, progress: &progress };
    let made = args.acceptance(cut, String::new()).of_run(&run, &place).await?;
    keep(made, &place, args.json).await
}

/// Shows what it changes, and stores it.
async fn keep(made: Made, place: &Place<'_>, json: bool) -> Result<Kept, Stop> {
    if let Some(previous) = &made.previous {
        let diff =
            Diff::of(&previous.baseline, &made.baseline).map_err(|error| Stop::Failed(error.into()))?;
        let lines = diff.lines().join("\n  ");
        let text = format!("since {}:\n  {lines}", previous.baseline.label());
        if json { out::note(text) } else { out::line(text) }
    }
    Ok(made.store(place).await?)
}

async fn show(args: ShowArgs) -> Result<u8, Failure> {
    print(&find(&args.baseline, &args.place).await?, args.json);
    Ok(exit::DONE)
}

async fn diff(args: DiffArgs) -> Result<u8, Failure> {
    let before = find(&args.before, &args.place).await?;
    let after = find(&args.after, &args.place).await?;
    let diff = Diff::of(&before.baseline, &after.baseline)?;
    if args.json {
        out::json(diff.to_json())
    } else {
        out::line(diff.lines().join("\n"))
    }
    Ok(exit::DONE)
}

/// A file needs no store.
async fn find(text: &str, place: &StoredAt) -> Result<Kept, Failure> {
    if PathBuf::from(text).is_file() {
        return Ok(Kept::find(text, None).await?);
    }
    let opened = place.open().await.map_err(|failure| {
        let text = format!("`{text}` is no file, and if it is a baseline in a store, {failure}");
        Failure::new(failure.code, anyhow!(text))
    })?;
    Ok(Kept::find(text, Some(opened.store())).await?)
}

fn print(kept: &Kept, json: bool) {
    let baseline = &kept.baseline;
    if json {
        return out::json(serde_json::to_string(baseline).unwrap_or_default());
    }
    let accepted = &baseline.accepted;
    out::line(format!("baseline  {} (sha256 {})", baseline.label(), kept.sha256.short()));
    out::line(format!("accepted  by {} on {}: {}", accepted.who, accepted.when, accepted.why));
    for (name, values) in &baseline.environment.decisive {
        out::line(format!("{name}  {}", values.iter().cloned().collect::<Vec<_>>().join(", ")));
    }
    blocks(baseline).iter().for_each(out::line);
}

fn blocks(baseline: &Baseline) -> Vec<String> {
    let Baseline { num_identity, bound, .. } = baseline;
    let mut lines = vec![format!(
        "identity  the first {num_identity} images of each block, within {:e} (latents) and {:e} (features)",
        bound.latents, bound.features
    )];
    for (number, block) in baseline.blocks.iter().enumerate() {
        let figures = block.figures.iter();
        let figures = figures.map(|(detector, figure)| {
            format!("{} {:.4} ± {:.4} ({detector})", figure.id, figure.value, figure.sd)
        });
        let figures: Vec<String> = figures.collect();
        let num_images = block.seeds.len();
        lines.push(format!(
            "block {number}   seeds {}, {num_images} images: {}",
            block.seeds,
            if figures.is_empty() {
                "no reference to measure against".to_owned()
            } else {
                figures.join(", ")
            }
        ));
    }
    lines
}
