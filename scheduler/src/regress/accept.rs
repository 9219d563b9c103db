//! Accepting: what some images came to becomes what later nights are compared with.

use std::collections::{BTreeMap, HashSet};

use fidelis_contract::{
    baseline::{Accepted, Baseline, Block, Bound, Environment, Figure, SCHEMA},
    detectors::Metric,
    ids::{Digest, MAX_NAME_LEN},
    manifest::ManifestEntry,
    run::Run,
    seeds::Seeds,
    spec::{EngineKind, ResolvedSpec},
    text::is_name,
};
use fidelis_metrics::Gaussian;

use super::{Cut, Kept, Place, RegressError, kept, reference::references, sample::Sample};
use crate::compare::Estimate;
use fidelis_metrics::JACKKNIFE_BLOCKS;

/// What is to be accepted, and by whom.
#[derive(Clone, Debug)]
pub struct Acceptance {
    /// Which line of baselines it continues.
    pub name: String,
    /// By whom, when and why; what was before is found out.
    pub accepted: Accepted,
    /// How its seeds are cut.
    pub cut: Cut,
    /// How far the same images may be apart on a later night.
    pub bound: Bound,
    /// In the names of the runs that are made for it, where any are.
    pub night: String,
}

/// A baseline that is made and not stored yet.
#[derive(Clone, Debug)]
pub struct Made {
    /// What is stored.
    pub baseline: Baseline,
    /// The images of its blocks.
    pub samples: Vec<Sample>,
    blocks: Vec<Vec<u8>>,
    /// What it continues.
    pub previous: Option<Kept>,
}

impl Acceptance {
    /// Checks the name of the line.
    ///
    /// # Errors
    /// No store can hold it.
    pub fn check_name(name: &str) -> Result<(), RegressError> {
        if is_name(name, MAX_NAME_LEN) {
            return Ok(());
        }
        let text = format!("`--name {name}` is no name: use `a-z`, `0-9` and `-`, at most {MAX_NAME_LEN}");
        Err(RegressError::Cut(text))
    }

    /// Makes the images of every block anew, through `make`, and a baseline of them.
    ///
    /// # Errors
    /// What `make` says, and images that have no distance.
    pub async fn make<E: From<RegressError>>(
        self,
        spec: &ResolvedSpec,
        place: &Place<'_>,
        make: &mut impl AsyncFnMut(Vec<ResolvedSpec>) -> Result<(), E>,
    ) -> Result<Made, E> {
        let previous = Kept::newest(&place.store, &self.name).await?;
        let references = references(spec, &place.files, place.progress).await?;
        let mut blocks = Blocks::default();
        for index in 0..self.cut.blocks.len() {
            let runs = self.cut.runs(spec, &self.night, index)?;
            make(runs.clone()).await?;
            let sample = read(place, runs).await?;
            let (block, object) = of_block(&self.cut, index, &sample, &references)?;
            blocks.add(block, sample, object);
        }
        Ok(self.concluded(spec, previous, blocks))
    }

    /// A baseline of a run that is there: nothing is made.
    ///
    /// # Errors
    /// It lacks something that nights compare, or is not complete.
    pub async fn of_run(self, run: &Run, place: &Place<'_>) -> Result<Made, RegressError> {
        let lacks = |lack, next| RegressError::Lacks { run: run.id.clone(), lack, next };
        if run.spec.detectors.is_empty() {
            let next = "name a detector in its spec and run that";
            return Err(lacks("has no features, which nights compare", next));
        }
        if !run.spec.outputs.latents && run.spec.engine.kind() != EngineKind::Dataset {
            let next = "run its spec with `latents = true` under `[outputs]`, or accept it by `--spec`, which makes the \
                        images anew";
            return Err(lacks("kept no latents, which nights compare one by one", next));
        }
        let previous = Kept::newest(&place.store, &self.name).await?;
        let references = references(&run.spec, &place.files, place.progress).await?;
        let first = |seeds: &Seeds| seeds.slice(0, self.cut.num_identity);
        let first: Vec<u64> = self.cut.blocks.iter().flat_map(|seeds| first(seeds).to_vec()).collect();
        let first: HashSet<u64> = first.into_iter().collect();
        let is_first = |chunk: &ManifestEntry| chunk.seeds.iter().all(|seed| first.contains(&seed));
        let whole = Sample::read(&place.store, run, is_first).await?;
        let mut blocks = Blocks::default();
        for (index, seeds) in self.cut.blocks.iter().enumerate() {
            let sample = whole.of_seeds(seeds);
            let sample = sample.map_err(|error| RegressError::Internal(error.to_string()))?;
            let (block, object) = of_block(&self.cut, index, &sample, &references)?;
            blocks.add(block, sample, object);
        }
        Ok(self.concluded(&run.spec, previous, blocks))
    }

    fn concluded(self, spec: &ResolvedSpec, previous: Option<Kept>, blocks: Blocks) -> Made {
        let Blocks { blocks, samples, objects } = blocks;
        let environment = Environment::of(samples.iter().flat_map(|sample| &sample.receipts));
        let number = previous.as_ref().map_or(0, |kept| kept.baseline.number) + 1;
        let accepted = Accepted { previous: previous.as_ref().map(|kept| kept.sha256), ..self.accepted };
        let baseline = Baseline {
            schema: SCHEMA,
            name: self.name,
            number,
            accepted,
            spec: serde_json::from_str(&spec.to_json()).unwrap_or_default(),
            spec_digest: spec.digest(),
            environment,
            num_identity: self.cut.num_identity,
            bound: self.bound,
            blocks,
        };
        Made { baseline, samples, blocks: objects, previous }
    }
}

/// Blocks in their order, with their images and what is stored of them.
#[derive(Default)]
struct Blocks {
    blocks: Vec<Block>,
    samples: Vec<Sample>,
    objects: Vec<Vec<u8>>,
}

impl Blocks {
    fn add(&mut self, block: Block, sample: Sample, object: Vec<u8>) {
        self.blocks.push(block);
        self.samples.push(sample);
        self.objects.push(object);
    }
}

impl Made {
    /// Stores it: from then on it is the newest of its name.
    ///
    /// # Errors
    /// Somebody else accepted one meanwhile, or the store fails.
    pub async fn store(self, place: &Place<'_>) -> Result<Kept, RegressError> {
        kept::store(&place.store, &self.baseline, self.blocks).await
    }
}

/// The images of the runs of a block, of the first with its latents.
pub(super) async fn read(place: &Place<'_>, runs: Vec<ResolvedSpec>) -> Result<Sample, RegressError> {
    let mut whole: Option<Sample> = None;
    for run in runs {
        let sample = Sample::read(&place.store, &Run::new(run), |_| whole.is_none()).await?;
        whole = Some(match whole {
            None => sample,
            Some(first) => joined(first, sample)?,
        });
    }
    whole.ok_or_else(|| RegressError::Internal("a block without a run".to_owned()))
}

pub(super) fn joined(first: Sample, more: Sample) -> Result<Sample, RegressError> {
    first.joined(more).map_err(|error| RegressError::Internal(error.to_string()))
}

fn of_block(
    cut: &Cut,
    index: usize,
    sample: &Sample,
    references: &BTreeMap<String, Gaussian>,
) -> Result<(Block, Vec<u8>), RegressError> {
    let internal = |error: String| RegressError::Internal(error);
    let bytes = sample.encode().map_err(|error| internal(error.to_string()))?;
    // As nights will read it: the same rows in one piece give the same bits.
    let kept = Sample::decode(&bytes).map_err(internal)?;
    let mut figures = BTreeMap::new();
    for (detector, reference) in references {
        let set = kept.of(detector)?;
        let of = set.folded(JACKKNIFE_BLOCKS).and_then(|of| Estimate::of_distance(&of.blocks, reference));
        let failed = |source| RegressError::Sets {
            detector: detector.clone(),
            source: crate::compare::SetsError::from(source),
        };
        let estimate = of.map_err(failed)?;
        let figure = Figure {
            id: Metric::of(detector).id().to_owned(),
            value: estimate.value,
            sd: estimate.sd(),
            num_images: set.num_rows() as u64,
        };
        figures.insert(detector.clone(), figure);
    }
    let block = Block {
        seeds: cut.blocks[index].clone(),
        runs: sample.runs.clone(),
        sha256: Digest::of(&bytes),
        num_bytes: bytes.len() as u64,
        noise: sample.noise.clone(),
        figures,
    };
    Ok((block, bytes))
}
