//! Several processes that train one net together: each takes a part of every batch, and all add up their gradients.

use std::fmt::Debug;

use tch::{Device, Tensor};

use super::learner::Learner;

/// The processes of one training. All do the same steps, so that each call meets its counterparts.
pub trait Ranks: Debug {
    /// Which of them this one is, from 0.
    fn rank(&self) -> u64;

    fn num_ranks(&self) -> u64;

    /// Adds up each value over all ranks, in place: the same bits come out everywhere.
    fn sum(&self, values: &mut [f32]);
}

/// The part of every batch that one rank takes: the images `start .. start + count` of each `batch`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    pub batch: u64,
    pub start: u64,
    pub count: u64,
}

impl Share {
    /// All of it.
    pub fn whole(batch: u64) -> Self {
        Self { batch, start: 0, count: batch }
    }

    /// A rank's; `None` where a batch cannot be cut into equal parts.
    pub fn of(ranks: &dyn Ranks, batch: u64) -> Option<Self> {
        let count = batch / ranks.num_ranks();
        batch.is_multiple_of(ranks.num_ranks()).then(|| Self { batch, start: ranks.rank() * count, count })
    }

    /// Where the image at `position` of this part's sequence lies in that of all.
    pub fn place(&self, position: u64) -> u64 {
        position / self.count * self.batch + self.start + position % self.count
    }
}

/// Replaces the gradients that `learner` holds by their mean over the ranks, through one flat buffer in the host's memory;
/// gives the mean of `loss`.
pub fn average(ranks: &dyn Ranks, learner: &Learner, loss: f64) -> f64 {
    let _guard = tch::no_grad_guard();
    let grads: Vec<Tensor> = learner.trained.values().map(Tensor::grad).filter(Tensor::defined).collect();
    let flat: Vec<Tensor> = grads.iter().map(|grad| grad.flatten(0, -1)).collect();
    let flat = Tensor::cat(&flat, 0).to_device(Device::Cpu);
    let mut values = Vec::<f32>::try_from(&flat).expect("gradients are float32");
    values.push(loss as f32);
    ranks.sum(&mut values);
    let share = 1.0 / ranks.num_ranks() as f64;
    let sums = Tensor::from_slice(&values) * share;
    let mut start = 0;
    for mut grad in grads {
        let len = grad.numel() as i64;
        grad.copy_(&sums.narrow(0, start, len).reshape(grad.size()));
        start += len;
    }
    f64::from(values[values.len() - 1]) * share
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Third;

    impl Ranks for Third {
        fn rank(&self) -> u64 {
            2
        }
        fn num_ranks(&self) -> u64 {
            4
        }
        fn sum(&self, _: &mut [f32]) {}
    }

    #[test]
    fn the_shares_of_all_ranks_are_the_sequence() {
        let share = Share::of(&Third, 12).unwrap();
        assert_eq!(share, Share { batch: 12, start: 6, count: 3 });
        let places: Vec<u64> = (0..7).map(|position| share.place(position)).collect();
        assert_eq!(places, [6, 7, 8, 18, 19, 20, 30]);
        assert_eq!(Share::of(&Third, 13), None);
        assert_eq!(Share::whole(5).place(7), 7);
    }
}
