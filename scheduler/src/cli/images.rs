//! `fidelis ref` and `fidelis calc`: statistics and scores of images that exist, by an ordinary run.

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow};
use clap::Args;
use fidelis_formats::stats::npz;
use fidelis_shared::{
    atomic, exit,
    files::Files,
    keys,
    queue::QueueSettings,
    spec::{FileRef, RunSpec},
    store::{Store, StoreConfig},
};

use super::{
    Failure,
    console::Console,
    fleet::{files, prepare},
    runs::{self, Ended},
    session::{MachineArgs, Session},
    transfer::Transfers,
};
use crate::{
    dataset::{self, DatasetRequest},
    evaluate,
    fleet::Fleet,
    reduce::Reduced,
};

/// What to score.
#[derive(Debug, Args)]
pub struct CalcArgs {
    /// Images: a .zip or folder of PNG, JPEG, WebP, BMP, GIF, TIFF, PGM or PPM, an .npz, an idx file, `images` of a .safetensors; a path, s3://… or
    /// https://…
    #[arg(long, value_name = "DATA")]
    images: String,
    /// Statistics of the real images
    #[arg(long = "ref", value_name = "FILE")]
    reference: String,
    /// inception, pytorch-fid, dinov2, fashion-cnn, or any name for TorchScript weights
    #[arg(long, value_name = "NAME")]
    detector: String,
    /// The detector's weights
    #[arg(long, value_name = "FILE")]
    weights: String,
    #[command(flatten)]
    place: PlaceArgs,
    /// Leave out images that cannot be read; they are named in the result
    #[arg(long)]
    allow_unreadable: bool,
    /// JSON on stdout: events, one per line, and the result
    #[arg(long)]
    json: bool,
}

/// What to make statistics of.
#[derive(Debug, Args)]
pub struct RefArgs {
    /// Images: a .zip or folder of PNG, JPEG, WebP, BMP, GIF, TIFF, PGM or PPM, an .npz, an idx file, `images` of a .safetensors; a path, s3://… or
    /// https://…
    #[arg(long, value_name = "DATA", required_unless_present = "features", requires_all = ["detector", "weights"])]
    data: Option<String>,
    /// Features (.safetensors) instead of images
    #[arg(long, value_name = "FILE", conflicts_with = "data")]
    features: Option<PathBuf>,
    /// inception, pytorch-fid, dinov2, fashion-cnn, or any name for TorchScript weights
    #[arg(long, value_name = "NAME", requires = "data")]
    detector: Option<String>,
    /// The detector's weights
    #[arg(long, value_name = "FILE", requires = "data")]
    weights: Option<String>,
    /// Where the statistics go (.npz)
    #[arg(long, value_name = "FILE")]
    dest: PathBuf,
    #[command(flatten)]
    place: PlaceArgs,
    /// Leave out images that cannot be read; they are named
    #[arg(long)]
    allow_unreadable: bool,
}

/// The fleet that makes the run: a running one, or one of this machine's own.
#[derive(Debug, Args)]
pub struct PlaceArgs {
    /// Redis server of a fleet; without it the run is made on this machine
    #[arg(long, value_name = "URL", env = "FIDELIS_REDIS", hide_env_values = true, requires = "store")]
    redis: Option<String>,
    /// Store of that fleet, as s3://bucket/prefix
    #[arg(long, value_name = "URL", env = "FIDELIS_STORE")]
    store: Option<String>,
    /// Another S3 server than AWS, as http://host:port
    #[arg(long, value_name = "URL", env = "FIDELIS_S3_ENDPOINT")]
    s3_endpoint: Option<String>,
    /// Folder that keeps the store of a run on this machine, so that an interrupted call can go on [default: none, in
    /// a temporary folder]
    #[arg(long, value_name = "DIR", conflicts_with = "redis")]
    work: Option<PathBuf>,
    #[command(flatten)]
    machine: MachineArgs,
}

impl PlaceArgs {
    /// Where the run's files come from: `s3://` is the store's server.
    fn files(&self) -> Files {
        files(self.s3_endpoint.clone())
    }
}

/// Scores and prints.
pub async fn calc(args: CalcArgs) -> Result<u8, Failure> {
    let request = DatasetRequest {
        name: "calc",
        data: args.images,
        detector: args.detector,
        weights: args.weights,
        reference: Some(args.reference),
        allow_unreadable: args.allow_unreadable,
    };
    let files = args.place.files();
    let spec = spec(&request, &files).await?;
    match Place::of(args.place)?.run(spec, files, args.json).await? {
        Ended::Finished((reduced, _)) => runs::print(&reduced, args.json),
        Ended::Interrupted(code) => Ok(code),
    }
}

/// Writes the statistics.
pub async fn reference(args: RefArgs) -> Result<u8, Failure> {
    let RefArgs { data, features, detector, weights, dest, place, allow_unreadable } = args;
    if let Some(features) = features {
        let statistics = evaluate::write_reference(&features, &dest)?;
        return told(&dest, statistics.num_images, statistics.dim());
    }
    // The command line's rules leave no other case.
    let (Some(data), Some(detector), Some(weights)) = (data, detector, weights) else {
        return Err(Failure::new(exit::USAGE, anyhow!("give `--data`, `--detector` and `--weights`")));
    };
    let request = DatasetRequest { name: "ref", data, detector, weights, reference: None, allow_unreadable };
    let files = place.files();
    let spec = spec(&request, &files).await?;
    match Place::of(place)?.run(spec, files, false).await? {
        Ended::Finished((_, bytes)) => {
            let statistics = npz::decode(&bytes)?;
            atomic::write(&dest, &bytes).with_context(|| format!("cannot write `{}`", dest.display()))?;
            told(&dest, statistics.num_images, statistics.dim())
        }
        Ended::Interrupted(code) => Ok(code),
    }
}

fn told(dest: &Path, num_images: u64, dim: usize) -> Result<u8, Failure> {
    println!("{}: {num_images} images, {dim} features", dest.display());
    Ok(exit::DONE)
}

async fn spec(request: &DatasetRequest, files: &Files) -> Result<RunSpec, Failure> {
    let folder = env::current_dir().context("the current folder cannot be used")?;
    let draft = request.draft(&folder)?;
    let transfers = Transfers::default();
    let local = files.localized(&draft, is_remote_data, &|transfer| transfers.tell(transfer)).await?;
    let path = local.data.map(|data| PathBuf::from(data.path)).unwrap_or_default();
    let seeds = tokio::task::spawn_blocking(move || dataset::seeds(&path)).await??;
    prepare(draft, Some(&seeds), files).await
}

fn is_remote_data(field: &str, file: &FileRef) -> bool {
    field == "data" && file.is_url()
}

/// Where a run is made.
enum Place {
    Fleet { redis: String, store: StoreConfig },
    Here { folder: Folder, machine: MachineArgs },
}

/// A folder that stays, or one that goes with the command.
enum Folder {
    Kept(PathBuf),
    Temporary(tempfile::TempDir),
}

impl Place {
    fn of(args: PlaceArgs) -> Result<Self, Failure> {
        let PlaceArgs { redis, store, s3_endpoint, work, machine } = args;
        if let (Some(redis), Some(url)) = (redis, store) {
            let store = StoreConfig { url, endpoint: s3_endpoint, ..StoreConfig::default() };
            return Ok(Self::Fleet { redis, store });
        }
        let folder = match work {
            Some(folder) => Folder::Kept(folder),
            None => Folder::Temporary(tempfile::tempdir().context("cannot make a temporary folder")?),
        };
        Ok(Self::Here { folder, machine })
    }

    /// The run's result, and the bytes of its first detector's statistics.
    async fn run(
        self,
        spec: RunSpec,
        files: Files,
        json: bool,
    ) -> Result<Ended<(Reduced, Vec<u8>)>, Failure> {
        let detector = spec.detectors.first().map_or(String::new(), |detector| detector.name.clone());
        match self {
            Self::Fleet { redis, store } => {
                let mut console = Console::new(json);
                let fleet = Fleet::connect(&redis, QueueSettings::default(), store).await?;
                match runs::complete((&fleet, &files), spec, &mut console).await? {
                    Ended::Finished(reduced) => with_statistics(&fleet.store, reduced, &detector).await,
                    Ended::Interrupted(code) => Ok(Ended::Interrupted(code)),
                }
            }
            Self::Here { folder, machine } => {
                let (path, console) = match &folder {
                    Folder::Kept(path) => (path.as_path(), Console::new(json)),
                    Folder::Temporary(folder) => (folder.path(), Console::of_passing_store(json)),
                };
                let mut session = Session::start(path, machine, files, console).await?;
                match session.run(vec![spec]).await? {
                    Ended::Finished(mut finished) => {
                        let reduced = finished.pop().context("the run left no result")?;
                        with_statistics(&session.fleet.fleet.store, reduced, &detector).await
                    }
                    Ended::Interrupted(code) => Ok(Ended::Interrupted(code)),
                }
            }
        }
    }
}

async fn with_statistics(
    store: &Store,
    reduced: Reduced,
    detector: &str,
) -> Result<Ended<(Reduced, Vec<u8>)>, Failure> {
    let key = keys::stats(&reduced.result.run, detector);
    let bytes = store.get(&key).await?.with_context(|| format!("the store has no `{key}` any more"))?;
    Ok(Ended::Finished((reduced, bytes.to_vec())))
}
