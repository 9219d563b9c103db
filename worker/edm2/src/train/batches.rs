//! Data order: a seeded permutation for each epoch.

use tch::{Device, Kind, Tensor};

use super::ranks::Share;
use crate::noise::with_seed;

/// Mixes a seed and a counter into 32 bits that share no pattern (SplitMix64's finaliser).
pub fn mixed(seed: u64, counter: u64) -> u64 {
    let mut z =
        seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(counter.wrapping_mul(0xd1b5_4a32_d192_ed03));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)) & 0xffff_ffff
}

/// Hands out image indices; a pure function of the seed and the position, so that a resumed run sees the same.
#[derive(Debug)]
pub struct Batches {
    seed: u64,
    num_images: u64,
    share: Option<Share>,
    epoch: u64,
    order: Vec<i64>,
}

impl Batches {
    pub fn new(seed: u64, num_images: u64) -> Self {
        Self { seed, num_images, share: None, epoch: 0, order: permutation(seed, 0, num_images) }
    }

    /// Only a part of every batch: positions count within it.
    pub fn shared(self, share: Option<Share>) -> Self {
        Self { share, ..self }
    }

    /// Indices `[batch]` of the images at positions `seen .. seen + batch` of the endless sequence of epochs.
    pub fn at(&mut self, seen: u64, batch: u64) -> Tensor {
        let indices: Vec<i64> = (seen..seen + batch).map(|position| self.index(position)).collect();
        Tensor::from_slice(&indices)
    }

    /// The image at a position.
    pub fn index(&mut self, position: u64) -> i64 {
        let position = self.share.map_or(position, |share| share.place(position));
        let epoch = position / self.num_images;
        if epoch != self.epoch {
            self.order = permutation(self.seed, epoch, self.num_images);
            self.epoch = epoch;
        }
        self.order[(position % self.num_images) as usize]
    }
}

fn permutation(seed: u64, epoch: u64, num_images: u64) -> Vec<i64> {
    let order =
        with_seed(mixed(seed, epoch), || Tensor::randperm(num_images as i64, (Kind::Int64, Device::Cpu)));
    Vec::try_from(order).expect("a permutation is a vector of int64")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_epoch_shows_each_image_once_in_an_order_of_its_own() {
        let mut batches = Batches::new(3, 10);
        let mut epoch = |k: u64| -> Vec<i64> { batches.at(k * 10, 10).try_into().unwrap() };
        let (first, second, again) = (epoch(0), epoch(1), epoch(0));
        let sorted = |mut v: Vec<i64>| {
            v.sort_unstable();
            v
        };
        assert_eq!(sorted(first.clone()), (0..10).collect::<Vec<_>>());
        assert_ne!(first, second);
        assert_eq!(first, again);
    }
}
