//! The standard error of a distance, by leaving out one contiguous block of seeds at a time.

use rayon::prelude::*;

use crate::MetricError;
use crate::frechet::Gaussian;
use crate::moments::Moments;

/// √((B−1)/B · Σ(dᵢ − d̄)²), dᵢ the distance to `reference` of all blocks but the i-th. `None` below two blocks. The
/// blocks' moments are merged again; no feature is read twice.
pub fn standard_error(blocks: &[Moments], reference: &Gaussian) -> Result<Option<f64>, MetricError> {
    if blocks.len() < 2 {
        return Ok(None);
    }
    let without = |left_out: usize| {
        let kept = blocks.iter().enumerate().filter(|(i, _)| *i != left_out).map(|(_, block)| block);
        let moments = Moments::merged(kept).expect("at least one of two blocks is kept");
        Ok(Gaussian::new(&moments.statistics()?)?.distance(reference)?.value)
    };
    let distances: Vec<f64> =
        (0..blocks.len()).into_par_iter().map(without).collect::<Result<_, MetricError>>()?;
    let count = distances.len() as f64;
    let mean = distances.iter().sum::<f64>() / count;
    let squares: f64 = distances.iter().map(|d| (d - mean) * (d - mean)).sum();
    Ok(Some(((count - 1.0) / count * squares).sqrt()))
}
