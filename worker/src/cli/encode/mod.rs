//! `fidelis-worker encode`: pictures of any kind to a dataset that this trainer and EDM2's read.

mod classes;

use std::path::PathBuf;

use anyhow::{Context, anyhow};
use clap::Args;
use fidelis_contract::exit;
use fidelis_edm2::device;
use fidelis_edm2::encoder::Posteriors;
use fidelis_fleet::out;
use fidelis_formats::images::edm_zip::{self, EdmZip};
use fidelis_formats::images::transform::{TRANSFORMS, Transform};
use fidelis_formats::images::{Dataset, Image, Latent, Members};
use rayon::prelude::*;

use super::{Failure, output};
use crate::engine::edm2;
use crate::interrupt::Interrupt;

/// Images that are in memory together: pictures, or those that an autoencoder works on for some time.
const BLOCK: u64 = 256;
const VAE_BLOCK: u64 = 32;

#[derive(Debug, Args)]
pub struct EncodeArgs {
    /// Pictures: a .zip or a folder, with classes in its dataset.json or in the names of its folders; an .npz, an idx file or
    /// .safetensors
    #[arg(long, value_name = "PATH")]
    source: PathBuf,
    /// Where the dataset goes (.zip): stored PNG files and a dataset.json, or with --vae .npy files
    #[arg(long, value_name = "F")]
    dest: PathBuf,
    /// Pixels along an edge
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=8192))]
    resolution: u64,
    /// center-crop: the largest square in the middle, Lanczos; center-crop-dhariwal: as guided-diffusion does; without it the
    /// pictures must have the size
    #[arg(long, value_name = "NAME", value_parser = parse_transform)]
    transform: Option<Transform>,
    /// Names of the classes, one a line in the order of the classes, as `n01440764 tench`: of the pictures' folders, or
    /// before the `_` of their names
    #[arg(long, value_name = "F")]
    labels: Option<PathBuf>,
    /// Encode the pictures with Stability's autoencoder of these weights (.safetensors): means and standard deviations
    #[arg(long, value_name = "F")]
    pub vae: Option<PathBuf>,
    /// Where the autoencoder computes: cpu or cuda:N
    #[arg(long, default_value = "cpu", requires = "vae")]
    device: String,
}

fn parse_transform(name: &str) -> Result<Transform, String> {
    let known = TRANSFORMS.iter().find(|(known, _)| *known == name);
    known
        .map(|(_, transform)| *transform)
        .ok_or_else(|| "expected center-crop or center-crop-dhariwal".to_owned())
}

/// Reads, crops and writes in the order of the names; the dataset appears whole or not at all.
pub fn encode(args: &EncodeArgs) -> Result<u8, Failure> {
    let interrupt = Interrupt::watch()?;
    output::check([args.dest.as_path()])?;
    let dataset = Dataset::open(&args.source)?;
    let classes = classes::of(&dataset, args.labels.as_deref())?;
    let mut vae = match &args.vae {
        Some(path) => Some(Posteriors::load(path, device::open(&args.device)?, edm2::default_lanes())?),
        None => None,
    };
    let members = if vae.is_some() { Members::Arrays } else { Members::Images };
    let failed = || format!("cannot write `{}`", args.dest.display());
    let mut zip = EdmZip::new(&args.dest, members).with_context(failed)?;
    let len = dataset.len();
    let at_once = if vae.is_some() { VAE_BLOCK } else { BLOCK };
    for start in (0..len).step_by(at_once as usize) {
        if let Some(code) = interrupt.signal() {
            return Ok(code);
        }
        let block: Vec<u64> = (start..len.min(start + at_once)).collect();
        let made =
            block.par_iter().map_init(|| dataset.clone(), |dataset, &index| cropped(args, dataset, index));
        let images = made.collect::<Result<Vec<_>, _>>()?;
        let encoded: Vec<Vec<u8>> = match &mut vae {
            Some(vae) => vae.of(&images)?.iter().map(Latent::to_npy).collect(),
            None => images
                .par_iter()
                .map(edm_zip::png)
                .collect::<Result<_, _>>()
                .context("cannot encode a PNG")?,
        };
        for (index, bytes) in block.iter().zip(encoded) {
            zip.add(&bytes, classes[*index as usize]).with_context(failed)?;
        }
        out::note(format!("{} of {len} images", len.min(start + at_once)));
    }
    zip.finish().with_context(failed)?;
    let labelled = if classes.iter().all(Option::is_some) { "with classes" } else { "without classes" };
    out::line(format!("{}: {len} images, {labelled}", args.dest.display()));
    Ok(exit::DONE)
}

fn cropped(args: &EncodeArgs, dataset: &mut Dataset, index: u64) -> Result<Image, Failure> {
    let named = |dataset: &Dataset| format!("`{}` of `{}`", dataset.name(index), args.source.display());
    let image = dataset.read(index).map_err(|error| anyhow!("{} {error}", named(dataset)))?;
    let transform = args.transform.unwrap_or(Transform::None);
    let image = transform.apply(&image, args.resolution as usize);
    Ok(image.map_err(|error| anyhow!("{} {error}", named(dataset)))?)
}
