//! The standard error of a distance, by leaving out one contiguous block of seeds at a time.

use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use crate::MetricError;
use crate::frechet::{Frechet, Gaussian};
use crate::moments::Moments;
use crate::tangent::{Scratch, Tangent, Whole};

/// Whether what leaving out a block changes is small enough for a second-order expansion: with 4 D images and 64 √D, the
/// error bar is that of exact distances to 1 % of itself.
fn is_smooth(num_images: u64, dim: usize) -> bool {
    let (n, dim) = (num_images as f64, dim as f64);
    n >= 4.0 * dim && n >= 64.0 * dim.sqrt()
}

/// A distance, and what it would be without each of some blocks of images.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// Of all images.
    pub distance: Frechet,
    /// Of all but one block each; empty below two blocks.
    pub without: Vec<f64>,
}

impl Estimate {
    /// √((B−1)/B · Σ(dᵢ − d̄)²), dᵢ the distance of all blocks but the i-th. `None` below two blocks.
    pub fn sd(&self) -> Option<f64> {
        (self.without.len() > 1).then(|| spread(&self.without))
    }
}

/// The distance to `reference` of `ours`, the Gaussian of a total, and of that without each of the blocks that it is made
/// of. Both rest on one decomposition where there are enough images.
///
/// # Errors
/// As [`without_each`].
pub fn estimate(
    ours: &Gaussian,
    (total, blocks): (&Moments, &[Moments]),
    reference: &Gaussian,
) -> Result<Estimate, MetricError> {
    if blocks.len() < 2 {
        return Ok(Estimate { distance: ours.distance(reference)?, without: Vec::new() });
    }
    if is_smooth(total.count(), total.dim())
        && let Some(tangent) = Tangent::new(ours, reference)?
    {
        let distance = tangent.distance(ours, reference)?;
        return Ok(Estimate { distance, without: smoothly_without_each(&tangent, total, blocks) });
    }
    let (distance, without) =
        rayon::join(|| ours.distance(reference), || exactly_without_each(blocks, reference));
    Ok(Estimate { distance: distance?, without: without? })
}

/// The standard error of [`Estimate::sd`], of blocks alone.
///
/// # Errors
/// As [`without_each`].
pub fn standard_error(blocks: &[Moments], reference: &Gaussian) -> Result<Option<f64>, MetricError> {
    if blocks.len() < 2 {
        return Ok(None);
    }
    Ok(Some(spread(&without_each(blocks, reference)?)))
}

/// The distance to `reference` of all blocks but one, each left out in turn: by second-order expansion where there are
/// enough images for their features, exactly elsewhere. No feature is read twice.
///
/// # Errors
/// The kept blocks have no distance: of another width, or too few images.
pub fn without_each(blocks: &[Moments], reference: &Gaussian) -> Result<Vec<f64>, MetricError> {
    let Some(total) = Moments::merged(blocks) else { return Ok(Vec::new()) };
    if is_smooth(total.count(), total.dim()) {
        let ours = Gaussian::new(&total.statistics()?)?;
        if let Some(tangent) = Tangent::new(&ours, reference)? {
            return Ok(smoothly_without_each(&tangent, &total, blocks));
        }
    }
    exactly_without_each(blocks, reference)
}

fn smoothly_without_each(tangent: &Tangent, total: &Moments, blocks: &[Moments]) -> Vec<f64> {
    let whole = Whole::new(tangent, total);
    let spare: Mutex<Vec<Scratch>> = Mutex::default();
    let of_spare = || spare.lock().unwrap_or_else(PoisonError::into_inner);
    let without = |block: &Moments| {
        let known = of_spare().pop();
        let mut scratch = known.unwrap_or_else(Scratch::new);
        let distance = tangent.without(&whole, block, &mut scratch);
        of_spare().push(scratch);
        distance
    };
    blocks.par_iter().map(without).collect()
}

/// As [`without_each`], with a whole distance for each block.
///
/// # Errors
/// As [`without_each`].
pub fn exactly_without_each(blocks: &[Moments], reference: &Gaussian) -> Result<Vec<f64>, MetricError> {
    let without = |left_out: usize| {
        let kept = blocks.iter().enumerate().filter(|(i, _)| *i != left_out).map(|(_, block)| block);
        let moments = Moments::merged(kept).ok_or(MetricError::TooFew { n: 0, needed: 2 })?;
        Ok(Gaussian::new(&moments.statistics()?)?.distance(reference)?.value)
    };
    (0..blocks.len()).into_par_iter().map(without).collect()
}

/// √((B−1)/B · Σ(eᵢ − ē)²) of the B estimates eᵢ that leave out one block each.
pub fn spread(estimates: &[f64]) -> f64 {
    let count = estimates.len() as f64;
    let mean = estimates.iter().sum::<f64>() / count;
    let squares: f64 = estimates.iter().map(|estimate| (estimate - mean).powi(2)).sum();
    ((count - 1.0) / count * squares).sqrt()
}
