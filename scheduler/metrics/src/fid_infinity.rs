//! FID∞ (arXiv 1911.07023): the distance that infinitely many images would have. A distance of N images is too large by an
//! amount that goes as 1/N; a line through the distances of several N, extrapolated to 1/N = 0, leaves it out.

use rayon::prelude::*;

use crate::fold::{FeatureChunk, RowNames};
use crate::frechet::Gaussian;
use crate::jackknife::{spread, without_each};
use crate::moments::Moments;
use crate::random::RandomState;
use crate::student;
use crate::{FeatureSet, Fold, MetricError};

/// Disjoint random parts of the images; a distance is computed of some of them together.
const NUM_PARTS: usize = 10;
/// Fewer images, or than half of all, are not computed with: there the bias is no line any more.
const MIN_IMAGES: usize = 5000;
/// Rows folded at once.
const CHUNK_ROWS: usize = 256;

/// An extrapolated distance.
#[derive(Clone, Debug, PartialEq)]
pub struct FidInfinity {
    /// Where the line meets 1/N = 0.
    pub value: f64,
    /// √(s² + e²): s the standard error of the distance of all images, by leaving out a part of them at a time; e that of
    /// the line, for the choice of the subsets.
    pub sd: f64,
    /// The value ± as many sd as hold 95 % of Student's t.
    pub interval: [f64; 2],
    /// N and distance of every point of the line.
    pub points: Vec<(u64, f64)>,
}

/// The line through the distances of six to ten seeded subsets.
///
/// # Errors
/// Fewer than 40 images, or features that have no distance to the reference.
pub fn fid_infinity(set: &FeatureSet, reference: &Gaussian, seed: u32) -> Result<FidInfinity, MetricError> {
    let (n, needed) = (set.num_rows(), 4 * NUM_PARTS);
    if n < needed {
        return Err(MetricError::TooFew { n, needed });
    }
    let mut random = RandomState::new(seed);
    let order = random.permutation(n as u32);
    let bound = |part: usize| part * n / NUM_PARTS;
    let parts: Vec<Moments> = (0..NUM_PARTS)
        .map(|part| moments(set, &order[bound(part)..bound(part + 1)]))
        .collect::<Result<_, _>>()?;
    let least = MIN_IMAGES.min(n / 2);
    let counts = (1..=NUM_PARTS).filter(|&count| bound(count) >= least);
    let subsets: Vec<Vec<u32>> = counts
        .map(|count| {
            let mut chosen = random.permutation(NUM_PARTS as u32);
            chosen.truncate(count);
            chosen
        })
        .collect();
    let point = |chosen: &Vec<u32>| {
        let kept = chosen.iter().map(|&part| &parts[part as usize]);
        let moments = Moments::merged(kept).ok_or(MetricError::TooFew { n: 0, needed })?;
        let distance = Gaussian::new(&moments.statistics()?)?.distance(reference)?;
        Ok((moments.count(), distance.value))
    };
    let points: Vec<(u64, f64)> = subsets.par_iter().map(point).collect::<Result<_, MetricError>>()?;
    let (value, of_line) = intercept(&points);
    let of_images = spread(&without_each(&parts, reference)?);
    let sd = of_images.hypot(of_line);
    let reach = student::two_sided_95(NUM_PARTS - 1) * sd;
    Ok(FidInfinity { value, sd, interval: [value - reach, value + reach], points })
}

/// Of the rows of these numbers, a few at a time.
fn moments(set: &FeatureSet, rows: &[u32]) -> Result<Moments, MetricError> {
    let mut fold = Fold::new(rows.len() as u64, 0);
    let chunks: Vec<&[u32]> = rows.chunks(CHUNK_ROWS).collect();
    for wave in chunks.chunks(Fold::wave()) {
        let chunk = |rows: &&[u32]| FeatureChunk {
            values: set.gathered(rows),
            dim: set.dim(),
            names: RowNames::From(0),
        };
        fold.push(&wave.iter().map(chunk).collect::<Vec<_>>())?;
    }
    Ok(fold.finish()?.total)
}

/// Least squares of d = a + b/N: a, and its standard error by the residuals.
fn intercept(points: &[(u64, f64)]) -> (f64, f64) {
    let count = points.len() as f64;
    let mean = |of: &dyn Fn(&(u64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let x = |point: &(u64, f64)| 1.0 / point.0 as f64;
    let (mean_x, mean_d) = (mean(&x), mean(&|point| point.1));
    let spread_x = mean(&|point| (x(point) - mean_x).powi(2)) * count;
    let slope = mean(&|point| (x(point) - mean_x) * (point.1 - mean_d)) * count / spread_x;
    let value = mean_d - slope * mean_x;
    let squares = mean(&|point| (point.1 - value - slope * x(point)).powi(2)) * count;
    let variance = squares / (count - 2.0) * (1.0 / count + mean_x * mean_x / spread_x);
    (value, variance.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: residuals ∓0.1, ±0.2, ∓0.1 about 2 + 30/N.
    #[test]
    fn a_line_meets_the_axis_where_it_should() {
        let exact: Vec<(u64, f64)> = [10, 15, 30].map(|n| (n, 2.0 + 30.0 / n as f64)).to_vec();
        let (value, sd) = intercept(&exact);
        assert!((value - 2.0).abs() < 1e-12 && sd < 1e-12, "{value} {sd}");
        let bent = [(10, 4.9), (15, 4.2), (30, 2.9)];
        let (value, sd) = intercept(&bent);
        // x = 0.1, 0.0667, 0.0333: mean 0.0667, Σ(x−x̄)² = 0.00222; s² = 0.06.
        assert!((value - 2.0).abs() < 1e-12, "{value}");
        assert!((sd - (0.06_f64 * (1.0 / 3.0 + 2.0)).sqrt()).abs() < 1e-12, "{sd}");
    }
}
