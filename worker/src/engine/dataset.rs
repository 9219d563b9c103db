//! Images that exist, through detectors: a seed is an image's place in the dataset.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use fidelis_contract::{
    ids::Digest,
    kind::Kind,
    payload::Tensor,
    receipt,
    spec::{DatasetSpec, DetectorSpec, FileRef},
};
use fidelis_edm2::device;
use fidelis_edm2::generate::{Buffer, Extracted, Extractor, Source, Unreadable, Watch};
use fidelis_formats::images::Dataset;

use super::{ChunkOutput, EngineError, EngineOptions, Work, edm2};

/// Keeps the last run's dataset open and its detectors loaded.
#[derive(Debug)]
pub struct DatasetEngine {
    options: EngineOptions,
    loaded: Option<Loaded>,
}

/// The images, and the detectors' weights by name.
type Recipe = (FileRef, BTreeMap<String, PathBuf>);

#[derive(Debug)]
struct Loaded {
    recipe: Recipe,
    dataset: Dataset,
    extractor: Extractor,
}

impl DatasetEngine {
    pub fn new(options: &EngineOptions) -> Self {
        Self { options: options.clone(), loaded: None }
    }

    fn load(&mut self, recipe: Recipe) -> Result<&mut Loaded, EngineError> {
        if self.loaded.as_ref().is_none_or(|held| held.recipe != recipe) {
            self.loaded = None;
            let unfit = |error: &dyn std::error::Error| EngineError::Unfit(error.to_string());
            let dataset = Dataset::open(Path::new(&recipe.0.path)).map_err(|error| unfit(&error))?;
            let device = device::parse(&self.options.device).map_err(|error| unfit(&error))?;
            let lanes = self.options.lanes.unwrap_or_else(edm2::default_lanes);
            let extractor = Extractor::load(&recipe.1, device, lanes).map_err(edm2::classed)?;
            self.loaded = Some(Loaded { recipe, dataset, extractor });
        }
        Ok(self.loaded.as_mut().expect("it was loaded above"))
    }

    /// Features of the images at the places `work.seeds`.
    pub fn generate(
        &mut self,
        images: &DatasetSpec,
        detectors: &[DetectorSpec],
        work: &Work<'_>,
    ) -> Result<ChunkOutput, EngineError> {
        let weights = detectors.iter().map(|d| (d.name.clone(), PathBuf::from(&d.weights.path)));
        let Loaded { dataset, extractor, .. } = self.load((images.data.clone(), weights.collect()))?;
        let source = Source { dataset, indices: work.seeds };
        let watch = Watch { stop: &|| work.cancel.beat(), made: &|images| work.cancel.made(images) };
        let extracted = extractor.extract_watched(&source, work.micro_batch as usize, &watch);
        let extracted = extracted.map_err(edm2::classed)?;
        if !extracted.unreadable.is_empty() && !images.allow_unreadable {
            let refusal = refusal(Path::new(&images.data.path), &extracted.unreadable);
            return Err(EngineError::Unfit(format!(
                "{refusal}, or leave them out with `--allow-unreadable`"
            )));
        }
        Ok(chunk_output(detectors, extracted))
    }
}

/// How many images that cannot be read are named in one line.
const NAMED: usize = 20;

/// Images that cannot be read where that is not allowed: by name, and why the first.
pub fn refusal(data: &Path, unreadable: &[Unreadable]) -> anyhow::Error {
    let names: Vec<_> = unreadable.iter().take(NAMED).map(|image| format!("`{}`", image.name)).collect();
    let more = match unreadable.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let first = unreadable.first().map_or("", |image| &image.cause);
    anyhow!(
        "{} of the images of `{}` cannot be read: {}{more} (the first {first}); repair or remove them",
        unreadable.len(),
        data.display(),
        names.join(", ")
    )
}

/// There is not a single one that can be read.
pub fn none_readable(data: &Path, unreadable: &[Unreadable]) -> anyhow::Error {
    let (name, first) = unreadable.first().map_or(("", ""), |image| (&image.name, &image.cause));
    anyhow!(
        "none of the {} images of `{}` can be read: the first, `{name}`, {first}",
        unreadable.len(),
        data.display()
    )
}

fn chunk_output(detectors: &[DetectorSpec], mut extracted: Extracted) -> ChunkOutput {
    let mut tensor = |detector: &DetectorSpec| {
        // Nothing where no image of the chunk could be read: then the width is not known either.
        let nothing = || Buffer { shape: vec![0, 0], data: Vec::new() };
        let Buffer { shape, data } = extracted.features.remove(&detector.name).unwrap_or_else(nothing);
        (Kind::Features(detector.name.clone()), Tensor::from_f32("features", &shape, &data))
    };
    let tensors = detectors.iter().map(&mut tensor).collect();
    let unreadable = extracted.unreadable.into_iter();
    ChunkOutput {
        unreadable: unreadable
            .map(|image| receipt::Unreadable { seed: image.index, name: image.name, cause: image.cause })
            .collect(),
        labels: extracted.labels,
        tensors,
        noise_sha256: Digest::of(&extracted.digests.concat()),
    }
}
