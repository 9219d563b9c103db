//! `fidelis-worker train --preset …`: an EDM2 net, from its recipe to its snapshots.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::Args;
use fidelis_contract::exit;
use fidelis_contract::spec::Precision;
use fidelis_edm2::device;
use fidelis_edm2::net::num_params;
use fidelis_edm2::train::{Outdir, Progress, Ranks, ReadOnly, Recipe, Session, Share, preset};
use fidelis_fleet::out;

use super::ranks;
use crate::cli::Failure;
use crate::far;
use crate::interrupt::Interrupt;
use crate::page::{Paged, Studio};

#[derive(Debug, Args)]
pub struct RunArgs {
    /// A published training: edm2-img512-xs, edm2-img64-s-uncond, …; a guiding net by its thousands of images, as
    /// edm2-img512-xs-0134217
    #[arg(long, value_name = "NAME", required_unless_present = "recipe", conflicts_with = "recipe")]
    preset: Option<String>,
    /// Recipe (.toml)
    #[arg(long, value_name = "F")]
    recipe: Option<PathBuf>,
    /// Another value for any option of the recipe, as net.dropout=0.1 or xflip=true; may be several
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Images in a step; the images seen in all stay
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    batch: Option<u64>,
    /// Images seen in all, as 128Mi
    #[arg(long, value_name = "IMAGES", value_parser = parse_images)]
    duration: Option<u64>,
    /// Images that go through the net together: less memory, the same result but for rounding
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    batch_device: Option<u64>,
    /// Arithmetic of the net's passes: fp32, bf16 or fp16; weights, optimiser and averages are in fp32
    #[arg(long)]
    precision: Option<Precision>,
    /// Images to train on: a .zip or folder of pictures with its dataset.json, …-images-idx3-ubyte[.gz] with its labels beside it,
    /// .npz or .safetensors; what is in S3 (s3://bucket/key) is read a piece at a time, other addresses are fetched
    #[arg(long, value_name = "PATH", required_unless_present = "dry_run")]
    data: Option<String>,
    /// Folder or s3://bucket/prefix for snapshots, states, stats.jsonl and training.html; a run that stopped there goes on
    #[arg(long, value_name = "DIR", required_unless_present = "dry_run")]
    outdir: Option<PathBuf>,
    /// Images between snapshots of each average
    #[arg(long, value_name = "IMAGES", default_value = "8Mi", value_parser = parse_images)]
    snapshot: u64,
    /// Images between states to go on from; the last two are kept
    #[arg(long, value_name = "IMAGES", default_value = "128Mi", value_parser = parse_images)]
    checkpoint: u64,
    /// Steps between lines of numbers
    #[arg(long, value_name = "STEPS", default_value_t = 50)]
    stats: u64,
    /// Threads that read images ahead of the device
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=256))]
    readers: u64,
    /// Threads that compute on a CPU; the bits of the result depend on their number
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(i32).range(1..=1024))]
    threads: i32,
    /// cpu or cuda:N
    #[arg(long, default_value = "cpu")]
    device: String,
    /// Train as one of several processes that `mpirun` started, each with a part of every batch; the first one writes
    #[cfg(feature = "mpi")]
    #[arg(long)]
    mpi: bool,
    /// Print the recipe, its parameters and the memory that they take, and train nothing
    #[arg(long)]
    dry_run: bool,
}

/// As 5000, 64Ki or 8Mi.
fn parse_images(text: &str) -> Result<u64, String> {
    let (digits, unit) = match text.strip_suffix("Mi") {
        Some(digits) => (digits, 1 << 20),
        None => text.strip_suffix("Ki").map_or((text, 1), |digits| (digits, 1 << 10)),
    };
    let images =
        digits.parse().ok().and_then(|count: u64| count.checked_mul(unit)).filter(|&images| images > 0);
    images.ok_or_else(|| "expected a number of images, as 5000, 64Ki or 8Mi".to_owned())
}

/// Trains until done or interrupted; interrupted, it has saved its state and exits resumable.
pub fn train(args: &RunArgs) -> Result<u8, Failure> {
    let (Some(data), Some(outdir), false) = (&args.data, &args.outdir, args.dry_run) else {
        return dry_run(&recipe(args)?, args);
    };
    ranks::within(is_rank(args), |ranks| run(args, data, outdir, ranks))
}

#[cfg(feature = "mpi")]
fn is_rank(args: &RunArgs) -> bool {
    args.mpi
}

#[cfg(not(feature = "mpi"))]
fn is_rank(_: &RunArgs) -> bool {
    false
}

fn run(args: &RunArgs, data: &str, outdir: &Path, ranks: Option<Box<dyn Ranks>>) -> Result<u8, Failure> {
    let interrupt = Interrupt::watch()?;
    let is_first = ranks.as_ref().is_none_or(|ranks| ranks.rank() == 0);
    let files = far::outdir(outdir, &interrupt)?;
    let recipe = recipe(args)?;
    device::set_threads(args.threads);
    let device = device::open(&args.device)?;
    let studio = Studio::new(&recipe.net, recipe.vae.clone(), (&args.device, args.threads));
    let (paged, read_only) = (Paged::new(&*files, title(args), recipe.ema[0], studio), ReadOnly(&*files));
    let outdir: &dyn Outdir = if is_first { &paged } else { &read_only };
    let session = Session {
        outdir,
        snapshot_images: args.snapshot,
        state_images: args.checkpoint,
        stats_steps: args.stats,
        round: args.batch_device.unwrap_or(recipe.batch),
    };
    session.check_names(&recipe)?;
    let (data, addresses) = far::data(data)?;
    let fed = data.feed(recipe.seed, args.readers as usize);
    let feed = fed.map_err(|error| Failure::from(error).at(&addresses))?;
    if !session.is_begun()? {
        feed.check(&|_| interrupt.signal().is_none()).map_err(|error| Failure::from(error).at(&addresses))?;
    }
    if let Some(code) = interrupt.signal() {
        return Ok(code);
    }
    let share = ranks.as_deref().map(|ranks| Share::of(ranks, recipe.batch));
    let feed = if let Some(share) = share.flatten() { feed.shared(share) } else { feed };
    let mut trainer = session.open(recipe, Box::new(feed), device)?;
    if let Some(ranks) = ranks {
        trainer.set_ranks(ranks)?;
    }
    session.run(&mut trainer, &mut |progress| {
        progress.iter().filter(|_| is_first).for_each(tell);
        interrupt.signal().is_none()
    })?;
    Ok(interrupt.signal().filter(|_| !trainer.is_done()).unwrap_or(exit::DONE))
}

/// What the page says is trained.
fn title(args: &RunArgs) -> String {
    let recipe = args.recipe.as_ref().and_then(|path| Some(path.file_stem()?.to_string_lossy().into_owned()));
    args.preset.clone().or(recipe).unwrap_or_default()
}

fn recipe(args: &RunArgs) -> Result<Recipe, Failure> {
    let mut recipe = match (&args.preset, &args.recipe) {
        (Some(name), _) => preset(name)?,
        (None, Some(path)) => Recipe::read(path)?,
        (None, None) => return Err(anyhow!("say what to train: `--preset NAME` or `--recipe F`").into()),
    };
    for option in &args.set {
        let (key, value) =
            option.split_once('=').ok_or_else(|| anyhow!("`--set {option}` needs the form KEY=VALUE"))?;
        recipe = recipe.with(key, value)?;
    }
    if let Some(batch) = args.batch {
        recipe = recipe.with_batch(batch);
    }
    if let Some(precision) = args.precision {
        recipe.precision = precision;
    }
    if let Some(images) = args.duration {
        recipe.steps = images.div_ceil(recipe.batch);
    }
    Ok(recipe)
}

fn tell(progress: &Progress) {
    let Progress { step, steps, images, loss, lr, grad_norm, images_per_s, seconds_left, .. } = progress;
    let by_sigma =
        progress.loss_by_sigma.map(|bin| bin.loss.map_or("-".to_owned(), |loss| format!("{loss:.2}")));
    let scale = progress.loss_scale.map(|scale| format!(" · loss × {scale}")).unwrap_or_default();
    let memory = progress.peak_rss_bytes.unwrap_or(0) as f64 / f64::from(1 << 30);
    out::note(format!(
        "step {step}/{steps} · {images} images · loss {loss:.4} (by σ {}) · gradient {grad_norm:.3}{scale} · lr {lr:.2e} · \
         {memory:.2} GiB · {images_per_s:.1} images/s · {seconds_left:.0} s left",
        by_sigma.join(" ")
    ));
}

/// float32 weights, their gradients, two moments of Adam, and the averages; activations come on top.
fn dry_run(recipe: &Recipe, args: &RunArgs) -> Result<u8, Failure> {
    let parameters = num_params(&recipe.net).map_err(anyhow::Error::from)?;
    let bytes = parameters * 4 * (4 + recipe.ema.len() as u64);
    let images = recipe.steps * recipe.batch;
    out::text(&recipe.to_toml().context("cannot print the recipe")?);
    out::line("");
    out::line(format!("# parameters           {parameters}"));
    out::line(format!("# images               {images}"));
    out::line(format!("# images/s for a week  {:.0}", images as f64 / (7.0 * 86_400.0)));
    out::line(format!(
        "# memory               {:.2} GiB for weights, gradients, Adam and {} averages, without activations",
        bytes as f64 / f64::from(1 << 30),
        recipe.ema.len()
    ));
    out::line(format!(
        "# device               {}, {} images at a time",
        args.device,
        args.batch_device.unwrap_or(recipe.batch)
    ));
    Ok(exit::DONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_counted_in_units() {
        assert_eq!(parse_images("8Mi"), Ok(8 << 20));
        assert_eq!((parse_images("64Ki"), parse_images("5000")), (Ok(65536), Ok(5000)));
        for text in ["", "0", "Mi", "8M", "99999999999999Mi"] {
            assert!(parse_images(text).is_err(), "{text}");
        }
    }
}
