//! `fidelis-worker features`: features of images that exist.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use fidelis_contract::{exit, payload::Tensor};
use fidelis_edm2::device;
use fidelis_edm2::generate::{Extractor, Source};
use fidelis_formats::{features::DETECTOR_KEY, images::Dataset};

use super::Failure;
use super::output;
use crate::engine::{dataset, edm2};

/// Images that go through the detector together.
const MICRO_BATCH: usize = 64;

#[derive(Debug, Args)]
pub struct FeaturesArgs {
    /// Images: a .zip or folder of PNG, JPEG, WebP, BMP, GIF, TIFF, PGM or PPM, …-images-idx3-ubyte[.gz], or the uint8 tensor `images` [N, C, H, W] of
    /// a .safetensors
    #[arg(long)]
    images: PathBuf,
    /// inception, pytorch-fid, dinov2, fashion-cnn, or a TorchScript file F.pt of your own: its code is then run
    #[arg(long)]
    detector: String,
    /// The detector's weights: a path, s3://bucket/key or https://…; an F.pt is its own
    #[arg(long)]
    weights: Option<PathBuf>,
    /// cpu or cuda:N
    #[arg(long, default_value = "cpu")]
    device: String,
    /// Where the tensor `features` [N, D] goes (.safetensors); its metadata names the detector
    #[arg(long)]
    out: PathBuf,
}

impl FeaturesArgs {
    /// What it writes.
    pub fn out(&self) -> &Path {
        &self.out
    }

    /// What it reads.
    pub fn files(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        std::iter::once(&mut self.images).chain(self.weights.as_mut())
    }
}

/// Where a detector's weights are: a TorchScript file is its own.
pub fn weights(detector: &str, weights: Option<&Path>) -> Result<PathBuf, Failure> {
    match weights {
        Some(weights) => Ok(weights.to_owned()),
        None if detector.to_ascii_lowercase().ends_with(".pt") => Ok(PathBuf::from(detector)),
        None => Err(anyhow::anyhow!("the detector `{detector}` needs `--weights`").into()),
    }
}

/// Extracts and writes; nothing is left behind when it fails.
pub fn features(args: &FeaturesArgs) -> Result<u8, Failure> {
    let detectors = [(args.detector.clone(), weights(&args.detector, args.weights.as_deref())?)].into();
    let mut extractor = Extractor::load(&detectors, device::open(&args.device)?, edm2::default_lanes())?;
    let dataset = Dataset::open(&args.images)?;
    let indices: Vec<u64> = (0..dataset.len()).collect();
    let source = Source { dataset: &dataset, indices: &indices };
    let mut extracted = extractor.extract(&source, MICRO_BATCH, &|| false)?;
    if extracted.unreadable.len() as u64 == dataset.len() {
        return Err(dataset::none_readable(&args.images, &extracted.unreadable).into());
    }
    if !extracted.unreadable.is_empty() {
        return Err(dataset::refusal(&args.images, &extracted.unreadable).into());
    }
    let features = extracted.features.remove(&args.detector).context("the detector left no features")?;
    let tensors = [Tensor::from_f32("features", &features.shape, &features.data)];
    output::write_named_tensors(&args.out, &tensors, (DETECTOR_KEY, &named(&args.detector)))?;
    Ok(exit::DONE)
}

/// A TorchScript file has no name but its own; the folder that it lies in is nobody's business.
fn named(detector: &str) -> String {
    let name = Path::new(detector).file_name().map(|name| name.to_string_lossy().into_owned());
    name.unwrap_or_else(|| detector.to_owned())
}
