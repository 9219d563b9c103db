//! The features of two runs, image by image.

use std::collections::HashMap;

use fidelis_contract::outcome::{Class, Outcome};
use fidelis_metrics::balls::TwoSets;
use fidelis_metrics::registry::Better;
use fidelis_metrics::{FeatureSet, Gaussian, JACKKNIFE_BLOCKS, MetricError};

use super::{CompareError, Design, Difference, Estimate, Identity};

/// Two runs compared by their distance to a reference.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// Of the distances.
    pub difference: Difference,
    /// Images of either run that were compared: of common seeds where the runs are paired, all of each elsewhere.
    pub num_images: [usize; 2],
    /// Whether they are the same images, where the runs are paired.
    pub identity: Option<Identity>,
}

/// Why two runs were not compared.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SetsError {
    /// No distance.
    #[error(transparent)]
    Metric(#[from] MetricError),
    /// No difference.
    #[error(transparent)]
    Compare(#[from] CompareError),
}

impl Outcome for SetsError {
    fn class(&self) -> Class {
        Class::Usage
    }
}

/// The difference between the distances of two runs to `reference`: of the images whose seeds they have in common, at
/// least four; of all images of either, as independent, where they share no seed or seeds are not known.
///
/// # Errors
/// Features of another detector, or too few.
pub fn compare(
    baseline: &FeatureSet,
    candidate: &FeatureSet,
    reference: &Gaussian,
) -> Result<Comparison, SetsError> {
    TwoSets { ours: candidate, reference: baseline }.check(4)?;
    let estimate = |set: &FeatureSet| Estimate::of_distance(&set.folded(JACKKNIFE_BLOCKS)?.blocks, reference);
    let of = |a: &FeatureSet, b: &FeatureSet, design| {
        let difference = Difference::new(&estimate(a)?, &estimate(b)?, design, Better::Lower)?;
        let identity = (design == Design::Paired).then(|| Identity::of(a, b));
        Ok(Comparison { difference, num_images: [a.num_rows(), b.num_rows()], identity })
    };
    match common(baseline, candidate)? {
        Some([a, b]) => of(&a, &b, Design::Paired),
        None => of(baseline, candidate, Design::Independent),
    }
}

/// The images of the seeds that both have, in the baseline's order; `None` where these are fewer than four.
fn common(baseline: &FeatureSet, candidate: &FeatureSet) -> Result<Option<[FeatureSet; 2]>, MetricError> {
    let (Some(ours), Some(theirs)) = (baseline.seeds(), candidate.seeds()) else { return Ok(None) };
    let places: HashMap<u64, u32> = theirs.iter().copied().zip(0..).collect();
    let pairs = ours.iter().zip(0_u32..).filter_map(|(seed, row)| Some((row, *places.get(seed)?)));
    let (a, b): (Vec<u32>, Vec<u32>) = pairs.unzip();
    if a.len() < 4 {
        return Ok(None);
    }
    let of = |set: &FeatureSet, rows: &[u32]| FeatureSet::of(set.gathered(rows), set.dim());
    Ok(Some([of(baseline, &a)?, of(candidate, &b)?]))
}

#[cfg(test)]
mod tests {
    use fidelis_formats::stats::Statistics;

    use super::*;
    use fidelis_metrics::{FeatureChunk, RowNames};

    /// Two features a seed, a different draw for every seed.
    fn set(seeds: &[u64], shift: f32) -> FeatureSet {
        let draw = |seed: u64, k: u64| {
            let mixed = (seed * 2 + k + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            ((mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 40) as f32 / (1 << 24) as f32
        };
        let values = seeds.iter().flat_map(|&seed| [draw(seed, 0) + shift, draw(seed, 1)]).collect();
        let mut set = FeatureSet::new(2);
        set.push(FeatureChunk { values, dim: 2, names: RowNames::Seeds(seeds.to_vec()) }, None).unwrap();
        set
    }

    fn reference() -> Gaussian {
        let sigma = vec![1.0 / 12.0, 0.0, 0.0, 1.0 / 12.0];
        Gaussian::new(&Statistics { mu: vec![0.5; 2], sigma, num_images: 0, detector: None }).unwrap()
    }

    #[test]
    fn common_seeds_are_compared_whatever_their_order() {
        let (all, some): (Vec<u64>, Vec<u64>) = ((0..400).collect(), (100..500).rev().collect());
        let found = compare(&set(&all, 0.1), &set(&some, 0.1), &reference()).unwrap();
        assert_eq!((found.num_images, found.difference.design), ([300, 300], Design::Paired));
        // Each block is left out of both: nothing is different.
        assert_eq!((found.difference.worse_by, found.difference.sd), (0.0, 0.0));
        assert!(found.identity.unwrap().is_exact());
        let shifted = compare(&set(&all, 0.1), &set(&some, 0.2), &reference()).unwrap();
        assert!(shifted.difference.at_least() > 0.0, "{shifted:?}");
        assert_eq!(shifted.identity.unwrap().num_other, 300);
    }

    #[test]
    fn other_seeds_are_independent() {
        let (first, second): (Vec<u64>, Vec<u64>) = ((0..200).collect(), (1000..1300).collect());
        let found = compare(&set(&first, 0.1), &set(&second, 0.1), &reference()).unwrap();
        assert_eq!((found.num_images, found.difference.design), ([200, 300], Design::Independent));
        assert!(found.difference.sd > 0.0 && found.identity.is_none());
        let nameless = FeatureSet::of(set(&first, 0.1).values().to_vec(), 2).unwrap();
        let found = compare(&nameless, &nameless, &reference()).unwrap();
        assert_eq!(found.difference.design, Design::Independent);
        let error = compare(&set(&[1, 2, 3], 0.0), &set(&first, 0.0), &reference()).unwrap_err();
        assert_eq!(error, SetsError::Metric(MetricError::TooFew { n: 3, needed: 4 }));
    }
}
