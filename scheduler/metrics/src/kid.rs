//! Kernel Inception Distance (arXiv 1801.01401): the unbiased estimate of the squared maximum mean discrepancy,
//!
//! MMD² = Σ_{i≠j} k(xᵢ,xⱼ) / m(m−1) + Σ_{i≠j} k(yᵢ,yⱼ) / n(n−1) − 2 Σᵢⱼ k(xᵢ,yⱼ) / mn,  k(x,y) = (xᵀy/D + 1)³,
//!
//! as the mean over random subsets ([`kid`]) or once over all images ([`kid_full`]). In float64; may be below 0 where the
//! sets are alike.

use std::ops::Range;

use faer::Mat;
use rayon::prelude::*;

use crate::balls::TwoSets;
use crate::jackknife::spread;
use crate::kernel::Rows;
use crate::random::RandomState;
use crate::rows::{pairs, pairs_within};
use crate::{FeatureSet, JACKKNIFE_BLOCKS, MetricError};

/// Subsets, as the paper and torch-fidelity have them.
pub const NUM_SUBSETS: usize = 100;
/// Images in each, or as many as the smaller set has.
pub const SUBSET_SIZE: usize = 1000;
/// Rows of a block of [`kid_full`]: two blocks of 2,048 features are 32 MiB, their products 8 MiB.
const BLOCK: usize = 1024;

/// The mean over subsets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kid {
    /// Mean.
    pub value: f64,
    /// Standard deviation over the subsets, divided by their number as torch-fidelity does.
    pub sd: f64,
    /// Images of either set in a subset.
    pub subset_size: usize,
}

/// The mean of [`NUM_SUBSETS`] subsets: those that torch-fidelity draws with `rng_seed = seed`, of ours first.
///
/// # Errors
/// A set of fewer than two images, or two of different widths.
pub fn kid(sets: TwoSets<'_>, seed: u32) -> Result<Kid, MetricError> {
    let TwoSets { ours, reference } = sets;
    sets.check(2)?;
    let subset_size = SUBSET_SIZE.min(ours.num_rows()).min(reference.num_rows());
    let mut random = RandomState::new(seed);
    let mut drawn = |set: &FeatureSet| random.permutation(set.num_rows() as u32)[..subset_size].to_vec();
    let subsets: Vec<[Vec<u32>; 2]> = (0..NUM_SUBSETS).map(|_| [drawn(ours), drawn(reference)]).collect();
    let mmd2 = |[x, y]: &[Vec<u32>; 2]| {
        let (x, y) = (Rows::gathered(ours, x), Rows::gathered(reference, y));
        let (size, others) = (subset_size as f64, subset_size as f64 - 1.0);
        (x.sum_of_pairs() + y.sum_of_pairs()) / (size * others) - 2.0 * x.sum_with(&y) / (size * size)
    };
    let values: Vec<f64> = subsets.par_iter().map(mmd2).collect();
    let mean = values.iter().sum::<f64>() / NUM_SUBSETS as f64;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / NUM_SUBSETS as f64;
    Ok(Kid { value: mean, sd: variance.sqrt(), subset_size })
}

/// The estimate over all images, and its standard error by leaving out one contiguous block of ours at a time; none below
/// four images.
///
/// # Errors
/// As [`kid`].
pub fn kid_full(sets: TwoSets<'_>) -> Result<(f64, Option<f64>), MetricError> {
    sets.check(2)?;
    let sums = Sums::of(sets);
    let num_blocks = sums.sizes.len();
    let without: Vec<f64> =
        (0..num_blocks).map(|left_out| sums.estimate(|block| block != left_out)).collect();
    Ok((sums.estimate(|_| true), (num_blocks > 1).then(|| spread(&without))))
}

/// Sums of the kernel over pairs of images.
struct Sums {
    /// Of ours, images in each block.
    sizes: Vec<usize>,
    /// Of ours with ours, by block and block, without an image's own.
    within: Mat<f64>,
    /// Of ours, by block, with all of the reference.
    across: Vec<f64>,
    /// Of the reference with itself, likewise.
    reference: f64,
    num_reference: usize,
}

impl Sums {
    fn of(TwoSets { ours, reference }: TwoSets<'_>) -> Self {
        let (m, n) = (ours.num_rows(), reference.num_rows());
        let num_blocks = if m >= 4 { (m / 2).min(JACKKNIFE_BLOCKS as usize) } else { 1 };
        let bound = |block: usize| block * m / num_blocks;
        let of_block = |block| tiles(bound(block)..bound(block + 1)).map(move |rows| (block, rows));
        let x: Vec<(usize, Range<usize>)> = (0..num_blocks).flat_map(of_block).collect();
        let y: Vec<(usize, Range<usize>)> = tiles(0..n).map(|rows| (0, rows)).collect();
        let mut across = vec![0.0; num_blocks];
        let with_reference = pairs(x.len(), y.len()).into_par_iter().map(|(i, j)| {
            let sum = Rows::of(ours, &x[i].1).sum_with(&Rows::of(reference, &y[j].1));
            (x[i].0, sum)
        });
        with_reference.collect::<Vec<_>>().into_iter().for_each(|(block, sum)| across[block] += sum);
        Self {
            sizes: (0..num_blocks).map(|block| bound(block + 1) - bound(block)).collect(),
            within: sums_within(ours, &x, num_blocks),
            across,
            reference: sums_within(reference, &y, 1)[(0, 0)],
            num_reference: n,
        }
    }

    /// MMD² of the reference and of the blocks of ours that are kept.
    fn estimate(&self, kept: impl Fn(usize) -> bool) -> f64 {
        let kept: Vec<usize> = (0..self.sizes.len()).filter(|&block| kept(block)).collect();
        let m = kept.iter().map(|&block| self.sizes[block]).sum::<usize>() as f64;
        let n = self.num_reference as f64;
        let within: f64 = kept.iter().flat_map(|&a| kept.iter().map(move |&b| self.within[(a, b)])).sum();
        let across: f64 = kept.iter().map(|&block| self.across[block]).sum();
        within / (m * (m - 1.0)) + self.reference / (n * (n - 1.0)) - 2.0 * across / (m * n)
    }
}

/// By block and block, over all pairs of two different rows, in either order.
fn sums_within(set: &FeatureSet, tiles: &[(usize, Range<usize>)], num_blocks: usize) -> Mat<f64> {
    let sums = pairs_within(tiles.len()).into_par_iter().map(|(i, j)| {
        let rows = Rows::of(set, &tiles[i].1);
        let sum = if i == j { rows.sum_of_pairs() } else { rows.sum_with(&Rows::of(set, &tiles[j].1)) };
        (i, j, sum)
    });
    let mut within = Mat::zeros(num_blocks, num_blocks);
    for (i, j, sum) in sums.collect::<Vec<_>>() {
        let (a, b) = (tiles[i].0, tiles[j].0);
        within[(a, b)] += sum;
        if i != j {
            within[(b, a)] += sum;
        }
    }
    within
}

fn tiles(rows: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let end = rows.end;
    rows.step_by(BLOCK).map(move |first| first..(first + BLOCK).min(end))
}
