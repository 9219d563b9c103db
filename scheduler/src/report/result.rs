//! `result.json`: what a run came to, and what it was made of.

use std::collections::{BTreeMap, BTreeSet};

use fidelis_contract::{
    ids::{ChunkIndex, Digest, RunId},
    receipt::{Receipt, Unreadable},
    seeds::Seeds,
    spec::{Encoder, EngineKind, FileRef, Labels, NoiseMode, Precision, RunSpec, SamplerSpec},
};
use serde::{Deserialize, Serialize};

use super::makers::Makers;

/// One run's result: a function of the spec and the receipts alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunResult {
    /// Name and digest.
    pub run: RunId,
    /// Of the canonical spec.
    pub spec_digest: Digest,
    /// The spec's name for it.
    pub name: String,
    /// 1 is unguided.
    pub guidance: f64,
    /// Images behind every number here.
    pub num_images: u64,
    /// Images of a dataset that could not be read, and are not among them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<Unreadable>,
    /// Chunks whose maker's memory did not hold the spec's micro-batch: the last bits of their images may be other
    /// than those of a larger device (D2).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_micro_batch: Vec<OtherMicroBatch>,
    /// By detector.
    pub detectors: BTreeMap<String, DetectorResult>,
    /// How long it took.
    pub timing: Timing,
    /// What it was made of.
    pub provenance: Provenance,
}

/// A chunk that was made with another micro-batch than the spec's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherMicroBatch {
    /// Which.
    pub chunk: ChunkIndex,
    /// Images that went through the nets together.
    pub micro_batch: u32,
}

impl OtherMicroBatch {
    /// Those among a run's receipts.
    pub fn among<'a>(spec: &RunSpec, receipts: impl IntoIterator<Item = &'a Receipt>) -> Vec<Self> {
        let others = receipts.into_iter().filter(|receipt| receipt.micro_batch != spec.micro_batch);
        others.map(|receipt| Self { chunk: receipt.chunk, micro_batch: receipt.micro_batch }).collect()
    }
}

/// A distance to the reference, in the detector's own units.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DetectorResult {
    /// `fid`, `fd_dinov2`, or `fd` of any other detector.
    pub metric: String,
    /// The distance; `None` where the spec names no reference.
    pub value: Option<f64>,
    /// Its standard error: delete-block jackknife over `blocks` contiguous seed blocks. `None` below two blocks.
    pub sd: Option<f64>,
    /// How many blocks.
    pub blocks: u64,
    /// Σ|λ| of the eigenvalues that rounding made negative.
    pub clipped_mass: Option<f64>,
    /// Σ|λ| of the negative eigenvalues of the covariances, ours and the reference's, where there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sigma_clipped_mass: Option<f64>,
    /// Fewer images than features, or features that depend on each other, here or in the reference.
    pub rank_deficient: bool,
    /// The distance of held-out real images to the same reference.
    pub floor: Option<f64>,
    /// How many held-out images; `None` where their file does not say.
    pub floor_images: Option<u64>,
    /// How many images the reference was made of; `None` where its file does not say.
    pub reference_images: Option<u64>,
    /// The figure that the spec quotes beside the distance; `None` where it quotes none.
    #[serde(default)]
    pub published: Option<f64>,
}

/// What the last command that made any image of a run made, and how long that took.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Making {
    /// Images that the store lacked when the command began.
    pub num_images: u64,
    /// By the clock on the wall, from submission to the last one being stored.
    pub seconds: f64,
}

/// Where the time went. The device's share is from the receipts: a resumed run counts each image's own making.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// By the clock on the wall; `None` where no command followed the making to its end.
    pub images_per_s: Option<f64>,
    /// What that rate is of. Results of earlier versions have none, and a rate that was the sum of the workers' own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub making: Option<Making>,
    /// Seconds that devices spent on chunks of this run.
    pub device_seconds: f64,
    /// How many workers made them.
    pub workers: u64,
}

/// What the images were made of: enough to make them again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// What made them.
    pub engine: EngineKind,
    /// Of the main net.
    pub net_sha256: Option<Digest>,
    /// Of the guiding net.
    pub gnet_sha256: Option<Digest>,
    /// Latents to pixels, where the spec says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoder: Option<Encoder>,
    /// Of the autoencoder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vae_sha256: Option<Digest>,
    /// Of the dataset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_sha256: Option<Digest>,
    /// Guided only for sigma in (lo, hi].
    pub guidance_interval: Option<(f64, f64)>,
    /// One image each.
    pub seeds: Seeds,
    /// Which class each image has.
    pub labels: Labels,
    /// The sampler's settings.
    pub sampler: SamplerSpec,
    /// Whose random stream.
    pub noise: NoiseMode,
    /// The nets' arithmetic.
    pub precision: Precision,
    /// Images per forward pass.
    pub micro_batch: u32,
    /// Of each detector's weights.
    pub detector_sha256: BTreeMap<String, Digest>,
    /// Of each detector's reference statistics.
    pub reference_sha256: BTreeMap<String, Digest>,
    /// Of each detector's held-out statistics.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub held_out_sha256: BTreeMap<String, Digest>,
    /// The kinds of device that worked on it, sorted.
    pub devices: Vec<String>,
    /// Which arithmetic the images are of, and so the figures; of engines that have had one only, nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arithmetic: Option<u32>,
    /// The arithmetic of the autoencoder, where the spec chooses it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vae_precision: Option<Precision>,
    /// What the files of the digests above are called, by the spec's field.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, String>,
    /// What made them, and when.
    #[serde(flatten)]
    pub makers: Makers,
}

impl RunResult {
    /// JSON with a newline at its end.
    pub fn to_json(&self) -> serde_json::Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec_pretty(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Reads what [`RunResult::to_json`] wrote.
    pub fn from_json(bytes: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(bytes)
    }
}

impl Timing {
    /// The timing of a complete run.
    pub fn of<'a>(receipts: impl IntoIterator<Item = &'a Receipt>, making: Option<Making>) -> Self {
        let mut workers: BTreeMap<&str, f64> = BTreeMap::new();
        for receipt in receipts {
            *workers.entry(&receipt.worker).or_default() += receipt.seconds;
        }
        let making = making.filter(|making| making.num_images > 0 && making.seconds > 0.0);
        Self {
            images_per_s: making.map(|making| making.num_images as f64 / making.seconds),
            making,
            device_seconds: workers.values().sum(),
            workers: workers.len() as u64,
        }
    }
}

impl Provenance {
    /// Of a resolved spec and the receipts of its run.
    pub fn of(spec: &RunSpec, receipts: &[&Receipt]) -> Self {
        let sampling = spec.engine.sampling();
        let sha256 = |file: &Option<FileRef>| file.as_ref().and_then(|file| file.sha256);
        let per_detector = |pick: &dyn Fn(usize) -> Option<Digest>| {
            let digests = spec.detectors.iter().enumerate();
            digests.filter_map(|(i, detector)| Some((detector.name.clone(), pick(i)?))).collect()
        };
        let devices: BTreeSet<String> = receipts.iter().map(|receipt| receipt.device.clone()).collect();
        let files = spec.files().into_iter().map(|(field, file)| (field, file.name().to_owned()));
        Self {
            engine: spec.engine.kind(),
            net_sha256: spec.sha256("net"),
            gnet_sha256: spec.sha256("gnet"),
            encoder: sampling.encoder,
            vae_sha256: spec.sha256("vae"),
            data_sha256: spec.sha256("data"),
            guidance_interval: sampling.guidance_interval,
            seeds: spec.seeds.clone(),
            labels: sampling.labels.clone(),
            sampler: sampling.sampler.clone(),
            noise: sampling.noise,
            precision: sampling.precision,
            micro_batch: spec.micro_batch,
            detector_sha256: per_detector(&|i| spec.detectors[i].weights.sha256),
            reference_sha256: per_detector(&|i| sha256(&spec.detectors[i].reference)),
            held_out_sha256: per_detector(&|i| sha256(&spec.detectors[i].held_out)),
            devices: devices.into_iter().collect(),
            arithmetic: None,
            vae_precision: spec.engine.edm2().and_then(|model| model.vae_precision),
            files: files.collect(),
            makers: Makers::of(receipts),
        }
    }
}
