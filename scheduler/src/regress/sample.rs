//! Images of some seeds, as far as a night looks at them: features, the latents of the first, noise, makers.

use std::collections::{BTreeMap, HashSet};

use fidelis_contract::{
    baseline::{ChunkNoise, Environment},
    ids::RunId,
    kind::Kind,
    manifest::{Manifest, ManifestEntry},
    payload::{self, PayloadError, Tensor},
    receipt::Receipt,
    run::Run,
    seeds::Seeds,
};
use fidelis_fleet::{store::Store, stored};
use fidelis_metrics::{FeatureChunk, FeatureSet, MetricError, RowNames};

use super::RegressError;
use crate::evaluate::{FeaturesError, StoredFeatures};

/// What the tensors of features are called, before the detector's name.
const FEATURES: &str = "features-";

/// Images of some seeds.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    /// By detector, one row a seed, all in the same order.
    pub features: BTreeMap<String, FeatureSet>,
    /// One row each for the first images, or for none.
    pub latents: Option<FeatureSet>,
    /// Of each chunk's initial noise; not part of what is encoded.
    pub noise: Vec<ChunkNoise>,
    /// Likewise.
    pub receipts: Vec<Receipt>,
    /// Likewise.
    pub runs: Vec<RunId>,
}

impl Sample {
    /// Reads a complete run: with the latents of those chunks that `with_latents` picks, where it kept them.
    ///
    /// # Errors
    /// It is not complete, or what is stored is not what it should be.
    pub async fn read(
        store: &Store,
        run: &Run,
        with_latents: impl Fn(&ManifestEntry) -> bool,
    ) -> Result<Self, FeaturesError> {
        let mut features = BTreeMap::new();
        for detector in &run.spec.detectors {
            let stored = StoredFeatures::read(store, run, Some(&detector.name), &[]).await?;
            features.insert(detector.name.clone(), stored.features);
        }
        let receipts = stored::receipts(store, &run.id).await?.stored;
        let manifest = Manifest::build(run, &receipts)?;
        let mut latents: Option<FeatureSet> = None;
        if run.spec.outputs.latents {
            let chunks: Vec<ManifestEntry> = manifest.chunks.into_iter().filter(with_latents).collect();
            let payload = |source: PayloadError| FeaturesError::Payload { run: run.id.clone(), source };
            let metric = |source: MetricError| FeaturesError::Metric { run: run.id.clone(), source };
            for object in stored::chunks(store, &run.id, &Kind::Latents, &chunks).await? {
                let values = object.data.to_f32().map_err(payload)?;
                let dim = object.data.shape[1..].iter().product();
                let chunk = FeatureChunk { values, dim, names: RowNames::Seeds(object.seeds) };
                let latents = latents.get_or_insert_with(|| FeatureSet::new(dim));
                latents.push(chunk, Some(&object.labels)).map_err(metric)?;
            }
        }
        let receipts: Vec<Receipt> = receipts.into_iter().map(|stored| stored.receipt).collect();
        let noise = receipts.iter();
        let noise = noise.map(|of| ChunkNoise { seeds: of.seeds.clone(), sha256: of.noise_sha256 }).collect();
        Ok(Self { features, latents, noise, receipts, runs: vec![run.id.clone()] })
    }

    /// Both one after the other; the latents are the first's.
    ///
    /// # Errors
    /// Features of other widths.
    pub fn joined(mut self, more: Self) -> Result<Self, MetricError> {
        for (name, rows) in more.features {
            match self.features.get_mut(&name) {
                Some(set) => set.push(chunk(&rows), rows.labels())?,
                None => drop(self.features.insert(name, rows)),
            }
        }
        self.noise.extend(more.noise);
        self.receipts.extend(more.receipts);
        self.runs.extend(more.runs);
        Ok(self)
    }

    /// The images of some of its seeds, of whole chunks.
    ///
    /// # Errors
    /// None that can be thought of: features that were taken once are taken again.
    pub fn of_seeds(&self, seeds: &Seeds) -> Result<Self, MetricError> {
        let seeds: HashSet<u64> = seeds.iter().collect();
        let is_whole = |chunk: &Seeds| chunk.iter().all(|seed| seeds.contains(&seed));
        let features = self.features.iter();
        let features = features.map(|(name, set)| Ok((name.clone(), picked(set, &seeds)?)));
        Ok(Self {
            features: features.collect::<Result<_, MetricError>>()?,
            latents: self.latents.as_ref().map(|set| picked(set, &seeds)).transpose()?,
            noise: self.noise.iter().filter(|of| is_whole(&of.seeds)).cloned().collect(),
            receipts: self.receipts.iter().filter(|of| is_whole(&of.seeds)).cloned().collect(),
            runs: self.runs.clone(),
        })
    }

    /// What it was made on and by.
    pub fn environment(&self) -> Environment {
        Environment::of(&self.receipts)
    }

    /// As the object of a baseline's block.
    ///
    /// # Errors
    /// None that can be thought of: the tensors have names of their own.
    pub fn encode(&self) -> Result<Vec<u8>, PayloadError> {
        let mut tensors = Vec::new();
        if let Some(any) = self.features.values().next() {
            let seeds: Vec<i64> = any.seeds().unwrap_or_default().iter().map(|&seed| seed as i64).collect();
            tensors.push(Tensor::from_i64("seeds", &[seeds.len()], &seeds));
        }
        let rows = self.features.iter().map(|(name, set)| (format!("{FEATURES}{name}"), set));
        for (name, set) in rows.chain(self.latents.as_ref().map(|set| ("latents".to_owned(), set))) {
            tensors.push(Tensor::from_f32(name, &[set.num_rows(), set.dim()], set.values()));
        }
        payload::encode(&tensors)
    }

    /// Reads back what [`encode`](Self::encode) wrote.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn decode(bytes: &[u8]) -> Result<Self, String> {
        let tensors = payload::decode(bytes).map_err(|error| error.to_string())?;
        let seeds = tensors.iter().find(|tensor| tensor.name == "seeds").ok_or("has no `seeds`")?;
        let seeds = seeds.to_i64().map_err(|error| error.to_string())?;
        let seeds: Vec<u64> = seeds.into_iter().map(|seed| seed as u64).collect();
        let mut sample = Self::default();
        for tensor in tensors.iter().filter(|tensor| tensor.name != "seeds") {
            let values = tensor.to_f32().map_err(|error| error.to_string())?;
            let &[rows, dim] = &tensor.shape[..] else {
                return Err(format!("`{}` is no table", tensor.name));
            };
            let Some(names) = seeds.get(..rows) else {
                return Err(format!("`{}` has more rows than there are seeds", tensor.name));
            };
            let mut set = FeatureSet::new(dim);
            let chunk = FeatureChunk { values, dim, names: RowNames::Seeds(names.to_vec()) };
            set.push(chunk, None).map_err(|error| error.to_string())?;
            match tensor.name.strip_prefix(FEATURES) {
                Some(detector) => drop(sample.features.insert(detector.to_owned(), set)),
                None => sample.latents = Some(set),
            }
        }
        Ok(sample)
    }

    /// The features of a detector.
    ///
    /// # Errors
    /// There are none.
    pub fn of(&self, detector: &str) -> Result<&FeatureSet, RegressError> {
        let missing = || RegressError::Internal(format!("no features of `{detector}`"));
        self.features.get(detector).ok_or_else(missing)
    }
}

fn chunk(set: &FeatureSet) -> FeatureChunk {
    let names = RowNames::Seeds(set.seeds().unwrap_or_default().to_vec());
    FeatureChunk { values: set.values().to_vec(), dim: set.dim(), names }
}

fn picked(set: &FeatureSet, seeds: &HashSet<u64>) -> Result<FeatureSet, MetricError> {
    let rows = (0..set.num_rows()).filter(|&row| seeds.contains(&set.name(row)));
    let rows: Vec<u32> = rows.map(|row| row as u32).collect();
    let names = RowNames::Seeds(rows.iter().map(|&row| set.name(row as usize)).collect());
    let mut picked = FeatureSet::new(set.dim());
    picked.push(FeatureChunk { values: set.gathered(&rows), dim: set.dim(), names }, None)?;
    Ok(picked)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(seeds: std::ops::Range<u64>, dim: usize) -> FeatureSet {
        let values = (seeds.start * dim as u64..seeds.end * dim as u64).map(|k| k as f32).collect();
        let mut set = FeatureSet::new(dim);
        set.push(FeatureChunk { values, dim, names: RowNames::Seeds(seeds.collect()) }, None).unwrap();
        set
    }

    #[test]
    fn what_is_kept_of_images_is_read_back() {
        let part = |seeds: std::ops::Range<u64>, latents: bool| Sample {
            features: [("own".to_owned(), set(seeds.clone(), 3))].into(),
            latents: latents.then(|| set(seeds, 5)),
            ..Sample::default()
        };
        let whole = part(0..4, true).joined(part(4..9, false)).unwrap();
        let read = Sample::decode(&whole.encode().unwrap()).unwrap();
        assert_eq!(read.of("own").unwrap().values(), set(0..9, 3).values());
        assert_eq!(read.of("own").unwrap().seeds(), set(0..9, 3).seeds());
        assert_eq!(read.latents.unwrap(), set(0..4, 5));
        assert!(read.features.len() == 1 && whole.of("other").is_err());
        let some = whole.of_seeds(&"2-6".parse().unwrap()).unwrap();
        assert_eq!(some.of("own").unwrap(), &set(2..7, 3));
        assert_eq!(some.latents.unwrap(), set(2..4, 5));
        assert!(Sample::decode(b"damaged").is_err());
        let other = Sample { features: [("own".to_owned(), set(0..4, 2))].into(), ..Sample::default() };
        assert!(whole.joined(other).is_err(), "features of another width");
    }
}
