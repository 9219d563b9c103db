//! Training of the demo's detector: a plain classifier with cross-entropy and Adam.

use tch::{Device, Kind, Tensor};

use super::adam::Adam;
use super::batches::{Batches, mixed};
use crate::data::ImageSet;
use crate::detector::FashionCnn;
use crate::net::StateDict;
use crate::noise::with_seed;

const BATCH: u64 = 128;
const PEAK_LR: f64 = 1e-3;

/// The classifier in training; a pure function of seed, length and images.
#[derive(Debug)]
pub struct DetectorTrainer {
    seed: u64,
    steps: u64,
    step: u64,
    images: Tensor,
    labels: Tensor,
    state: StateDict,
    cnn: FashionCnn,
    adam: Adam,
    batches: Batches,
}

impl DetectorTrainer {
    /// Starts from fresh weights; `None` when the images carry no labels.
    pub fn new(seed: u64, epochs: u64, images: ImageSet) -> Option<Self> {
        let num_images = images.num_images() as u64;
        let labels = images.labels?;
        let state: StateDict = with_seed(mixed(seed, u64::MAX), FashionCnn::initial_state)
            .into_iter()
            .map(|(name, tensor)| (name, tensor.set_requires_grad(true)))
            .collect();
        let cnn = FashionCnn::load(&state, Device::Cpu).expect("fresh weights fit their own net");
        let adam = Adam::new(&state, 0.999);
        let steps = epochs * num_images / BATCH;
        let batches = Batches::new(seed, num_images);
        Some(Self { seed, steps, step: 0, images: images.images, labels, state, cnn, adam, batches })
    }

    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// One step; returns the cross-entropy, or `None` when training is over.
    pub fn advance(&mut self) -> Option<f64> {
        if self.step >= self.steps {
            return None;
        }
        let indices = self.batches.at(self.step * BATCH, BATCH);
        let images = self.images.index_select(0, &indices);
        let features = self.cnn.features(&images).ok()?;
        let kept = with_seed(mixed(self.seed, (1 << 40) + self.step), || features.dropout(0.25, true));
        let loss = self.cnn.logits(&kept).cross_entropy_for_logits(&self.labels.index_select(0, &indices));
        loss.backward();
        let progress = self.step as f64 / self.steps as f64;
        self.adam.update(&self.state, PEAK_LR * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos()));
        self.step += 1;
        Some(loss.double_value(&[]))
    }

    /// Share of `images` that the classifier gets right.
    pub fn accuracy(&self, images: &ImageSet) -> Option<f64> {
        let _guard = tch::no_grad_guard();
        let labels = images.labels.as_ref()?;
        let mut right = 0;
        for (batch, labels) in images.images.split(500, 0).iter().zip(labels.split(500, 0)) {
            let found = self.cnn.logits(&self.cnn.features(batch).ok()?).argmax(1, false);
            right += found.eq_tensor(&labels).sum(Kind::Int64).int64_value(&[]);
        }
        Some(right as f64 / images.num_images() as f64)
    }

    /// The weights in float16.
    pub fn weights(&self) -> StateDict {
        self.state.iter().map(|(name, tensor)| (name.clone(), tensor.detach().to_kind(Kind::Half))).collect()
    }
}
