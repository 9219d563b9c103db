//! Images that exist, through detectors.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fidelis_formats::images::{Dataset, Image};
use sha2::{Digest, Sha256};
use tch::{Device, Tensor};

use super::{Buffer, GenerateError, lane::buffer, lanes};
use crate::data::stack;
use crate::detector::Detector;
use crate::device::set_threads;

/// Detectors on one device, loaded once for each lane.
#[derive(Debug)]
pub struct Extractor(Vec<BTreeMap<String, Detector>>);

/// What came of some images, in their order.
#[derive(Clone, Debug, Default)]
pub struct Extracted {
    /// `[N, D]` of each detector.
    pub features: BTreeMap<String, Buffer<f32>>,
    /// Class of each image; −1 where it is not known.
    pub labels: Vec<i64>,
    /// sha256 of each image's pixels.
    pub digests: Vec<[u8; 32]>,
}

impl Extractor {
    /// Loads the detectors by name with their weights; a GPU takes one lane.
    pub fn load(
        detectors: &BTreeMap<String, PathBuf>,
        device: Device,
        lanes: usize,
    ) -> Result<Self, GenerateError> {
        let lanes = if device == Device::Cpu { lanes.max(1) } else { 1 };
        set_threads(1);
        let load =
            |(name, path): (&String, &PathBuf)| Ok((name.clone(), Detector::load(name, path, device)?));
        let lane = |_| detectors.iter().map(load).collect::<Result<_, GenerateError>>();
        Ok(Self((0..lanes).map(lane).collect::<Result<_, _>>()?))
    }

    /// Features of the images at `indices`; `micro_batch` of them are read and seen together, which is part of what
    /// decides the bits (D2). Asks `stop` between batches whether to give up.
    pub fn extract(
        &mut self,
        images: &Source<'_>,
        micro_batch: usize,
        stop: &(dyn Fn() -> bool + Sync),
    ) -> Result<Extracted, GenerateError> {
        let batches: Vec<&[u64]> = images.indices.chunks(micro_batch.max(1)).collect();
        let mut lanes: Vec<_> =
            self.0.iter_mut().map(|detectors| (detectors, images.dataset.clone())).collect();
        let parts = lanes::run(&mut lanes, &batches, stop, |(detectors, dataset), indices, stop| {
            if stop() {
                return Err(GenerateError::Stopped);
            }
            part(detectors, &read(dataset, images.path, indices)?)
        })?;
        let mut whole = Extracted::default();
        for part in parts {
            whole.digests.extend(part.digests);
            for (name, features) in part.features {
                whole.features.entry(name).or_default().append(features);
            }
        }
        whole.labels = images.indices.iter().map(|&i| images.dataset.label(i).unwrap_or(-1)).collect();
        Ok(whole)
    }
}

/// Some images of a dataset.
#[derive(Debug)]
pub struct Source<'a> {
    pub dataset: &'a Dataset,
    /// Where it lies, for errors.
    pub path: &'a Path,
    pub indices: &'a [u64],
}

fn read(dataset: &mut Dataset, path: &Path, indices: &[u64]) -> Result<Vec<Image>, GenerateError> {
    let read = |&index: &u64| {
        dataset.read(index).map_err(|source| GenerateError::Image {
            path: path.display().to_string(),
            name: dataset.name(index),
            source,
        })
    };
    indices.iter().map(read).collect()
}

/// Neighbours of one shape go through the detectors together.
fn part(detectors: &BTreeMap<String, Detector>, images: &[Image]) -> Result<Extracted, GenerateError> {
    set_threads(1);
    let _guard = tch::no_grad_guard();
    let mut part = Extracted {
        digests: images.iter().map(|image| Sha256::digest(&image.pixels).into()).collect(),
        ..Extracted::default()
    };
    for alike in images.chunk_by(|a, b| a.shape == b.shape) {
        let batch: Tensor = stack(alike);
        for (name, detector) in detectors {
            let features = buffer(&detector.features(&batch)?);
            part.features.entry(name.clone()).or_default().append(features);
        }
    }
    Ok(part)
}
