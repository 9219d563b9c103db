//! Where a trainer's images come from: memory, or files that are read ahead of the device.

use tch::{Device, Kind, Tensor};

use super::batches::Batches;
use super::ranks::Share;
use crate::data::{DataError, ImageSet};
use crate::encoder::{Codec, EncoderError};

/// Images as a dataset stores them, and their classes.
#[derive(Debug)]
pub struct Stored {
    /// uint8 `[N, C, H, W]`, or the autoencoder's posteriors, float32 `[N, 8, h, w]`.
    pub images: Tensor,
    /// int64 `[N]`, where every image has one.
    pub labels: Option<Tensor>,
}

/// An endless sequence of images, in an order that a seed decides.
pub trait Images: std::fmt::Debug {
    /// How many images there are.
    fn num_images(&self) -> u64;

    /// The smallest and the largest class; `None` where an image has none.
    fn classes(&self) -> Option<(i64, i64)>;

    /// One of the images, as [`Stored::images`].
    ///
    /// # Errors
    /// It cannot be read.
    fn example(&mut self) -> Result<Tensor, DataError>;

    /// Those at the positions `seen .. seen + count` of the sequence.
    ///
    /// # Errors
    /// One of them cannot be read, or has another shape than the first.
    fn at(&mut self, seen: u64, count: u64) -> Result<Stored, DataError>;

    /// Encodes all that is in memory, once and for all.
    ///
    /// # Errors
    /// The encoder cannot take them.
    fn encode(&mut self, codec: &Codec) -> Result<(), EncoderError>;
}

/// All of them in memory.
#[derive(Debug)]
pub struct InMemory {
    set: ImageSet,
    batches: Batches,
}

impl InMemory {
    /// In the order of `seed`.
    pub fn new(set: ImageSet, seed: u64) -> Self {
        let batches = Batches::new(seed, set.num_images() as u64);
        Self { set, batches }
    }
}

impl Images for InMemory {
    fn num_images(&self) -> u64 {
        self.set.num_images() as u64
    }

    fn classes(&self) -> Option<(i64, i64)> {
        let labels = self.set.labels.as_ref()?;
        Some((labels.min().int64_value(&[]), labels.max().int64_value(&[])))
    }

    fn example(&mut self) -> Result<Tensor, DataError> {
        Ok(self.set.images.narrow(0, 0, 1))
    }

    fn at(&mut self, seen: u64, count: u64) -> Result<Stored, DataError> {
        let indices = self.batches.at(seen, count);
        let images = self.set.images.index_select(0, &indices);
        Ok(Stored { images, labels: self.set.labels.as_ref().map(|labels| labels.index_select(0, &indices)) })
    }

    fn encode(&mut self, codec: &Codec) -> Result<(), EncoderError> {
        self.set.images = codec.encode(&self.set.images)?;
        Ok(())
    }
}

/// Mirrors about half of `images` `[N, C, H, W]`, a share of their batch; torch's current CPU generator decides which.
pub fn mirrored(images: &Tensor, share: Share) -> Tensor {
    let coins = Tensor::rand([share.batch as i64, 1, 1, 1], (Kind::Float, Device::Cpu)).lt(0.5);
    let coins = coins.narrow(0, share.start as i64, share.count as i64);
    images.flip([3]).where_self(&coins.to_device(images.device()), images)
}
