//! What a run was made of: enough to make it again.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Makers;
use crate::{
    ids::{ChunkIndex, Digest},
    receipt::Receipt,
    seeds::Seeds,
    spec::{Damage, Encoder, EngineKind, FileRef, Labels, NoiseMode, Precision, RunSpec, SamplerSpec},
};

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
    /// What was done to the main net.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub net_damage: Option<Damage>,
    /// What was done to the guiding net.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gnet_damage: Option<Damage>,
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
            net_damage: sampling.net_damage.stated(),
            gnet_damage: sampling.gnet_damage.stated(),
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
