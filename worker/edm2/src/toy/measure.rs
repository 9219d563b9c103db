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

/// All between 0 and 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// Share of samples where log p is below [`OUTLINE`].
    pub outside: f64,
    /// Share of branches that get at least half of the samples that their weight promises.
    pub coverage: f64,
    /// Share of samples that branches get beyond what their weight promises, and that others lack.
    pub misplaced: f64,
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
        let weights = components
            .chunks(COMPONENTS_PER_BRANCH)
            .map(|branch| branch.iter().map(|component| component.weight).sum::<f64>());
        let (branches, count) = (found.len() as f64, points.len().max(1) as f64);
        let shares: Vec<(f64, f64)> = found.iter().map(|&found| found as f64 / count).zip(weights).collect();
        let reached = shares.iter().filter(|(found, promised)| *found >= 0.5 * promised).count();
        Measured {
            outside: outside as f64 / count,
            coverage: reached as f64 / branches,
            misplaced: shares.iter().map(|(found, promised)| (found - promised).max(0.0)).sum(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each component's mean as often as its weight says, but for one branch whose share goes to the first.
    #[test]
    fn a_branch_without_samples_is_not_reached_and_its_share_is_misplaced() {
        let measures = Measures::default();
        let components = measures.truth.components();
        let at = |lost: Option<usize>| {
            let points = components.iter().enumerate().flat_map(|(i, component)| {
                let is_lost = lost == Some(i / COMPONENTS_PER_BRANCH);
                let mean = if is_lost { components[0].mean } else { component.mean };
                std::iter::repeat_n(mean, (component.weight * 1e5).round() as usize).flatten()
            });
            measures.of(&Tensor::from_slice(&points.collect::<Vec<f64>>()).reshape([-1, 2]))
        };
        // Where components overlap, the stronger one has the weaker one's mean.
        let whole = at(None);
        assert_eq!(whole.outside, 0.0);
        let lost = components.len() / COMPONENTS_PER_BRANCH / 2;
        let weight: f64 = components[lost * COMPONENTS_PER_BRANCH..][..COMPONENTS_PER_BRANCH]
            .iter()
            .map(|c| c.weight)
            .sum();
        let without = at(Some(lost));
        assert!((whole.coverage - without.coverage - 1.0 / 127.0).abs() < 1e-9, "{whole:?} {without:?}");
        let more = without.misplaced - whole.misplaced;
        assert!(more > 0.5 * weight && more < 1.01 * weight, "{more} of {weight}");
    }
}
