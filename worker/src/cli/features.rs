//! `fidelis-worker features`: features of images that exist.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use fidelis_edm2::data::ImageSet;
use fidelis_edm2::generate::features_of;
use fidelis_edm2::{detector::Detector, device};
use fidelis_shared::exit;
use fidelis_shared::payload::Tensor;

use super::failure::Failure;
use super::output;

#[derive(Debug, Args)]
pub struct FeaturesArgs {
    /// Images: …-images-idx3-ubyte[.gz], or the uint8 tensor `images` [N, C, H, W] of a .safetensors
    #[arg(long)]
    images: PathBuf,
    /// fashion-cnn
    #[arg(long)]
    detector: String,
    /// The detector's weights
    #[arg(long)]
    weights: PathBuf,
    /// cpu or cuda:N
    #[arg(long, default_value = "cpu")]
    device: String,
    /// Where the tensor `features` [N, D] goes (.safetensors)
    #[arg(long)]
    out: PathBuf,
}

/// Extracts and writes; nothing is left behind when it fails.
pub fn features(args: &FeaturesArgs) -> Result<u8, Failure> {
    let detector = Detector::load(&args.detector, &args.weights, device::parse(&args.device)?)?;
    let images = ImageSet::read(&args.images)?;
    let features = features_of(&detector, &images)
        .with_context(|| format!("no features of `{}`", args.images.display()))?;
    output::write_tensors(&args.out, &[Tensor::from_f32("features", &features.shape, &features.data)])?;
    Ok(exit::DONE)
}
