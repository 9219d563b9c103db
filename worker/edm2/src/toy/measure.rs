//! How many samples lie where the ground truth has none, and how many of its branches they reach.

use rayon::prelude::*;
use tch::Tensor;

use super::mixture::{Mixture, points_of};
use super::tree::{COMPONENTS_PER_BRANCH, Classes, ground_truth};

/// log p of class A above which 99 % of its mass lies: measured by others on 200,000 samples.
pub const OUTLINE: f64 = -1.8747;

/// Measures samples against class A.
#[derive(Debug)]
pub struct Measures {
    truth: Mixture,
}

/// Both between 0 and 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// Share of samples where log p is below [`OUTLINE`].
    pub outside: f64,
    /// Share of branches that get at least half of the samples that their weight promises.
    pub coverage: f64,
}

impl Default for Measures {
    fn default() -> Self {
        Self { truth: ground_truth(Classes::A) }
    }
}

impl Measures {
    /// Of samples `[N, 2]`, at least one. A sample belongs to the component that most probably made it.
    pub fn of(&self, samples: &Tensor) -> Measured {
        let points = points_of(samples);
        let judged: Vec<(bool, usize)> = points
            .par_iter()
            .map(|&x| (self.truth.at(x, 0.0).log_density < OUTLINE, self.truth.most_responsible(x)))
            .collect();
        let outside = judged.iter().filter(|(outside, _)| *outside).count();
        let components = self.truth.components();
        let mut found = vec![0_u64; components.len() / COMPONENTS_PER_BRANCH];
        judged.iter().for_each(|(_, component)| found[component / COMPONENTS_PER_BRANCH] += 1);
        let promised = components
            .chunks(COMPONENTS_PER_BRANCH)
            .map(|branch| branch.iter().map(|component| component.weight).sum::<f64>() * points.len() as f64);
        let reached = found.iter().zip(promised).filter(|(found, promised)| **found as f64 >= 0.5 * promised);
        let (branches, count) = (found.len() as f64, points.len().max(1) as f64);
        Measured { outside: outside as f64 / count, coverage: reached.count() as f64 / branches }
    }
}
