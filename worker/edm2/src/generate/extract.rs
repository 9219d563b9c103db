//! Images that exist, through detectors.

use std::collections::BTreeMap;
use std::path::PathBuf;

use fidelis_formats::images::{Dataset, Image};
use sha2::{Digest, Sha256};
use tch::{Device, Tensor};

use super::{Buffer, GenerateError, Watch, lane::buffer, lanes};
use crate::data::stack;
use crate::detector::Detector;
use crate::device::set_threads;

/// Detectors on one device, for lanes that share the weights.
#[derive(Debug)]
pub struct Extractor(Vec<BTreeMap<String, Detector>>);

/// What came of some images, in their order: N of them, those that could be read.
#[derive(Clone, Debug, Default)]
pub struct Extracted {
    /// `[N, D]` of each detector.
    pub features: BTreeMap<String, Buffer<f32>>,
    /// Class of each image; −1 where it is not known.
    pub labels: Vec<i64>,
    /// sha256 of each image's pixels.
    pub digests: Vec<[u8; 32]>,
    /// The others.
    pub unreadable: Vec<Unreadable>,
}

/// An image that is there and cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Its place in the dataset.
    pub index: u64,
    /// What its file is called.
    pub name: String,
    /// One line.
    pub cause: String,
}

impl Extractor {
    /// Loads the detectors by name with their weights, once; a GPU takes one lane.
    pub fn load(
        detectors: &BTreeMap<String, PathBuf>,
        device: Device,
        lanes: usize,
    ) -> Result<Self, GenerateError> {
        let lanes = if device == Device::Cpu { lanes.max(1) } else { 1 };
        set_threads(1);
        let load =
            |(name, path): (&String, &PathBuf)| Ok((name.clone(), Detector::load(name, path, device)?));
        let lane = detectors.iter().map(load).collect::<Result<_, GenerateError>>()?;
        Ok(Self(vec![lane; lanes]))
    }

    /// Features of the images at `indices`; `micro_batch` of them are read and seen together, which is part of what
    /// decides the bits (D2). Asks `stop` between batches whether to give up. Images that cannot be read are told, and
    /// are the caller's to judge.
    pub fn extract(
        &mut self,
        images: &Source<'_>,
        micro_batch: usize,
        stop: &(dyn Fn() -> bool + Sync),
    ) -> Result<Extracted, GenerateError> {
        self.extract_watched(images, micro_batch, &Watch { stop, made: &|_| () })
    }

    /// Extracts as [`Extractor::extract`] does, and tells of each micro-batch.
    pub fn extract_watched(
        &mut self,
        images: &Source<'_>,
        micro_batch: usize,
        watch: &Watch<'_>,
    ) -> Result<Extracted, GenerateError> {
        let batches: Vec<&[u64]> = images.indices.chunks(micro_batch.max(1)).collect();
        // Where there are fewer batches than lanes, those that would be idle share the batches' work.
        let team = self.0.len() / batches.len().max(1);
        let mut lanes: Vec<_> =
            self.0.iter_mut().map(|detectors| (detectors, images.dataset.clone())).collect();
        let parts = lanes::run(&mut lanes, &batches, watch.stop, |(detectors, dataset), indices, stop| {
            if stop() {
                return Err(GenerateError::Stopped);
            }
            let images = read(dataset, indices);
            let part = lanes::with_team(team, || part(detectors, images))?;
            (watch.made)(indices.len() as u64);
            Ok(part)
        })?;
        let mut whole = Extracted::default();
        for part in parts {
            whole.labels.extend(part.labels);
            whole.digests.extend(part.digests);
            whole.unreadable.extend(part.unreadable);
            for (name, features) in part.features {
                whole.features.entry(name).or_default().append(features);
            }
        }
        Ok(whole)
    }
}

/// Some images of a dataset.
#[derive(Debug)]
pub struct Source<'a> {
    pub dataset: &'a Dataset,
    pub indices: &'a [u64],
}

/// The images of one batch, with what can be told of them without a device.
fn read(dataset: &mut Dataset, indices: &[u64]) -> (Vec<Image>, Extracted) {
    let (mut images, mut part) = (Vec::with_capacity(indices.len()), Extracted::default());
    for &index in indices {
        match dataset.read(index) {
            Ok(image) => {
                part.labels.push(dataset.label(index).unwrap_or(-1));
                part.digests.push(Sha256::digest(&image.pixels).into());
                images.push(image);
            }
            Err(error) => {
                let cause = error.to_string();
                part.unreadable.push(Unreadable { index, name: dataset.name(index), cause });
            }
        }
    }
    (images, part)
}

/// Neighbours of one shape go through the detectors together.
fn part(
    detectors: &mut BTreeMap<String, Detector>,
    (images, mut part): (Vec<Image>, Extracted),
) -> Result<Extracted, GenerateError> {
    set_threads(1);
    let _guard = tch::no_grad_guard();
    for alike in images.chunk_by(|a, b| a.shape == b.shape) {
        let batch: Tensor = stack(alike);
        for (name, detector) in detectors.iter() {
            let features = buffer(&detector.features(&batch)?);
            part.features.entry(name.clone()).or_default().append(features);
        }
    }
    Ok(part)
}
