//! `fidelis ref` and `fidelis calc`: statistics and scores of images that exist, by an ordinary run.

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow};
use clap::Args;
use fidelis_contract::{
    addresses::Addresses,
    exit, keys,
    spec::{FileRef, ResolvedSpec},
};
use fidelis_fleet::{files::Files, fleet::Fleet, out, queue::QueueSettings};
use fidelis_formats::{
    atomic,
    stats::{Statistics, npz},
};
use fidelis_metrics::Gaussian;

use super::{
    Failure,
    console::Console,
    detectors::{DetectorArgs, SubsetArgs},
    evaluate::local,
    fleet::prepare,
    place::{PlaceArgs, Running},
    runs,
    session::{Ended, MachineArgs, Session, is_in_logs},
    transfer::Transfers,
};
use crate::{
    dataset::{self, DatasetDetector, DatasetRequest},
    destination::{Destination, statistics_of},
    reduce::Reduced,
    subset,
};

/// What to score.
#[derive(Debug, Args)]
pub struct CalcArgs {
    /// Images: a .zip or folder of PNG, JPEG, WebP, BMP, GIF, TIFF, PGM or PPM, an .npz, an idx file, `images` of a .safetensors; a path, s3://… or
    /// https://…
    #[arg(long, value_name = "DATA")]
    images: String,
    /// Statistics of the real images, their features, or the images themselves; one for each detector, or one for all
    #[arg(long = "ref", value_name = "FILE", required = true)]
    reference: Vec<String>,
    #[command(flatten)]
    detectors: DetectorArgs,
    #[command(flatten)]
    subset: SubsetArgs,
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
    #[arg(long, value_name = "DATA", required_unless_present = "features")]
    data: Option<String>,
    /// Features (.safetensors, .npy, .npz) instead of images; of each detector one
    #[arg(long, value_name = "FILE", conflicts_with_all = ["data", "weights", "num"])]
    features: Vec<PathBuf>,
    #[command(flatten)]
    detectors: DetectorArgs,
    #[command(flatten)]
    subset: SubsetArgs,
    /// Where the statistics go: .npz, or .pkl as EDM2's tools read it (inception, dinov2 or both)
    #[arg(long, value_name = "FILE")]
    dest: PathBuf,
    #[command(flatten)]
    place: PlaceArgs,
    /// Leave out images that cannot be read; they are named
    #[arg(long)]
    allow_unreadable: bool,
}

/// Scores and prints.
pub async fn calc(args: CalcArgs) -> Result<u8, Failure> {
    let CalcArgs { images, reference, detectors, subset, place, allow_unreadable, json } = args;
    let detectors = detectors.paired(&reference)?;
    place.check()?;
    let mut request = DatasetRequest { name: "calc", data: images, detectors, allow_unreadable };
    let (files, mut place) = (place.files(), Place::of(place)?);
    let is_passing = place.is_passing();
    let mut session = None;
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    for real in of_images(&request).await? {
        let session = match &mut session {
            Some(session) => session,
            slot => slot.insert(place.session(&files, json).await?),
        };
        let spec = spec(&real, &SubsetArgs { num: None, seed: 0 }, &files).await?;
        match place.make(session, spec).await? {
            Ended::Finished(made) => refer_to(&mut request, &real.data, folder.path(), made.statistics)?,
            Ended::Interrupted(code) => return Ok(code),
        }
    }
    let spec = spec(&request, &subset, &files).await?;
    let mut session = match session {
        Some(session) => session,
        None => place.session(&files, json).await?,
    };
    match place.make(&mut session, spec).await? {
        Ended::Finished(Made { reduced, .. }) => {
            runs::print(&reduced, json)?;
            if is_passing && out::is_lost() {
                let kept = atomic::keep(
                    Path::new("result.json"),
                    &reduced.result.to_json().context("the result as JSON")?,
                )?;
                out::note(format!("the result is kept as `{}`", kept.display()));
            }
            Ok(exit::DONE)
        }
        Ended::Interrupted(code) => Ok(code),
    }
}

/// The runs that make statistics of references which are images: one for each set of images.
async fn of_images(request: &DatasetRequest) -> Result<Vec<DatasetRequest>, Failure> {
    let mut found: Vec<DatasetRequest> = Vec::new();
    for detector in &request.detectors {
        let Some(reference) = &detector.reference else { continue };
        let path = local(PathBuf::from(reference), &mut Addresses::default()).await?;
        if !tokio::task::spawn_blocking(move || dataset::is_images(&path))
            .await
            .context("looking at the reference")?
        {
            continue;
        }
        let detector = DatasetDetector { reference: None, ..detector.clone() };
        match found.iter_mut().find(|real| real.data == *reference) {
            Some(real) => real.detectors.push(detector),
            None => found.push(DatasetRequest {
                name: "ref",
                data: reference.clone(),
                detectors: vec![detector],
                allow_unreadable: request.allow_unreadable,
            }),
        }
    }
    Ok(found)
}

/// Puts statistics that were made of the images `data` in the place of these.
fn refer_to(
    request: &mut DatasetRequest,
    data: &str,
    folder: &Path,
    made: Vec<Statistics>,
) -> Result<(), Failure> {
    for statistics in made {
        let of = |detector: &&mut DatasetDetector| {
            detector.reference.as_deref() == Some(data)
                && statistics.detector.as_ref() == Some(&detector.name)
        };
        let detector = request.detectors.iter_mut().find(of).context("statistics that nobody asked for")?;
        let path = folder.join(format!("{}.npz", detector.name));
        Destination::new(&path, &[Some(&detector.name)])?.write(std::slice::from_ref(&statistics))?;
        detector.reference = Some(path.display().to_string());
    }
    Ok(())
}

/// Writes the statistics.
pub async fn reference(args: RefArgs) -> Result<u8, Failure> {
    let RefArgs { data, features, detectors, subset, dest, place, allow_unreadable } = args;
    atomic::check_file(&dest)?;
    let Some(data) = data else {
        let statistics = of_features(&features, &detectors.names)?;
        let names: Vec<_> = statistics.iter().map(|one| one.detector.as_deref()).collect();
        return written(&Destination::new(&dest, &names)?, &statistics);
    };
    let detectors = detectors.paired(&[])?;
    let names: Vec<_> = detectors.iter().map(|detector| Some(detector.name.as_str())).collect();
    let dest = Destination::new(&dest, &names)?;
    place.check()?;
    let request = DatasetRequest { name: "ref", data, detectors, allow_unreadable };
    let (files, mut place) = (place.files(), Place::of(place)?);
    let spec = spec(&request, &subset, &files).await?;
    let mut session = place.session(&files, false).await?;
    match place.make(&mut session, spec).await? {
        Ended::Finished(made) => written(&dest, &made.statistics),
        Ended::Interrupted(code) => Ok(code),
    }
}

/// Of each file the statistics; `detectors` say whose they are where the files do not.
fn of_features(features: &[PathBuf], detectors: &[String]) -> Result<Vec<Statistics>, Failure> {
    if !detectors.is_empty() && detectors.len() != features.len() {
        let text = format!(
            "`{}` of `--features` and `{}` of `--detector`: name the detector of each, in the same order, or of none",
            features.len(),
            detectors.len()
        );
        return Err(Failure::new(exit::USAGE, anyhow!(text)));
    }
    let detector = |i: usize| detectors.get(i).map(String::as_str);
    let found = features.iter().enumerate().map(|(i, path)| statistics_of(path, detector(i)));
    Ok(found.collect::<Result<_, _>>()?)
}

fn written(dest: &Destination, statistics: &[Statistics]) -> Result<u8, Failure> {
    dest.write(statistics)?;
    for one in statistics {
        let whose = one.detector.as_ref().map_or(String::new(), |name| format!(" of {name}"));
        let deficient = if Gaussian::new(one)?.is_rank_deficient() {
            "; rank-deficient: fewer images than features, or features that depend on each other"
        } else {
            ""
        };
        let (path, num_images, dim) = (dest.path().display(), one.num_images, one.dim());
        out::line(format!("{path}: {num_images} images, {dim} features{whose}{deficient}"));
    }
    Ok(exit::DONE)
}

async fn spec(request: &DatasetRequest, subset: &SubsetArgs, files: &Files) -> Result<ResolvedSpec, Failure> {
    let folder = env::current_dir().context("the current folder cannot be used")?;
    let draft = request.draft(&folder)?;
    let mut data = draft.engine.dataset().map_or_else(|| FileRef::new(""), |images| images.data.clone());
    if data.is_url() {
        let transfers = Transfers::default();
        data.path =
            files.local(&data, &|transfer| transfers.tell(transfer)).await?.path.display().to_string();
    }
    let seeds = tokio::task::spawn_blocking(move || dataset::seeds(data.path.as_ref()));
    let mut seeds = seeds.await.context("looking through the images")??;
    if let Some(num) = subset.num {
        seeds = subset::choose(seeds.len(), num, subset.seed)?;
    }
    Ok(prepare(draft, Some(&seeds), files).await?)
}

/// Where a command's runs are made.
enum Place {
    Fleet(Running),
    Here { folder: Folder, machine: MachineArgs },
}

/// A folder that stays, or one that goes with the command.
enum Folder {
    Kept(PathBuf),
    Temporary(tempfile::TempDir),
}

impl Place {
    fn of(args: PlaceArgs) -> Result<Self, Failure> {
        if let Some(running) = args.running(|name| env::var(name).ok())? {
            return Ok(Self::Fleet(running));
        }
        let PlaceArgs { work, machine, .. } = args;
        let folder = match work {
            Some(folder) => Folder::Kept(folder),
            None => Folder::Temporary(tempfile::tempdir().context("cannot make a temporary folder")?),
        };
        Ok(Self::Here { folder, machine })
    }

    /// Whether the store goes with the command.
    fn is_passing(&self) -> bool {
        matches!(self, Self::Here { folder: Folder::Temporary(_), .. })
    }

    async fn session(&self, files: &Files, json: bool) -> Result<Session, Failure> {
        let files = files.clone();
        match self {
            Self::Fleet(Running { redis, store }) => {
                let fleet = Fleet::connect(redis, QueueSettings::default(), store.clone()).await?;
                Session::of_fleet(fleet, files, Console::new(json))
            }
            Self::Here { folder: Folder::Kept(folder), machine } => {
                Session::here(folder, machine.clone(), files, Console::new(json)).await
            }
            Self::Here { folder: Folder::Temporary(folder), machine } => {
                let console = Console::of_passing_store(json);
                Session::here(folder.path(), machine.clone(), files, console).await
            }
        }
    }

    /// Makes one run. A temporary folder stays where an error names a worker's log in it.
    async fn make(&mut self, session: &mut Session, spec: ResolvedSpec) -> Result<Ended<Made>, Failure> {
        let detectors: Vec<String> = spec.detectors.iter().map(|detector| detector.name.clone()).collect();
        let ended = session.complete(vec![spec]).await.inspect_err(|failure| {
            if let Self::Here { folder: Folder::Temporary(folder), .. } = self {
                folder.disable_cleanup(is_in_logs(failure));
            }
        })?;
        let mut finished = match ended {
            Ended::Finished(finished) => finished,
            Ended::Interrupted(code) => return Ok(Ended::Interrupted(code)),
        };
        let reduced = finished.pop().context("the run left no result")?;
        let store = &session.conductor.fleet().store;
        let mut statistics = Vec::with_capacity(detectors.len());
        for detector in &detectors {
            let key = keys::stats(&reduced.result.run, detector);
            let bytes =
                store.get(&key).await?.with_context(|| format!("the store has no `{key}` any more"))?;
            statistics.push(npz::decode(&bytes)?);
        }
        Ok(Ended::Finished(Made { reduced, statistics }))
    }
}

/// A run's result, and the statistics of its detectors, in their order.
struct Made {
    reduced: Reduced,
    statistics: Vec<Statistics>,
}
