//! Inception Score (arXiv 1606.03498): exp(E KL(p(y|x) ‖ p(y))), of the class scores that Inception's last layer makes of
//! its features, without that layer's bias. Mean over ten splits of the images, shuffled as torch-fidelity does.

use rayon::prelude::*;

use crate::linalg::{Panels, Wanted, product_alone};
use crate::random::RandomState;
use crate::{FeatureSet, MetricError};

/// Splits.
pub const NUM_SPLITS: usize = 10;
/// Images whose scores are in memory at once, per thread.
const BLOCK: usize = 256;

/// Inception's last layer, `fc.weight` float64 [num_classes, dim].
#[derive(Clone, Debug, PartialEq)]
pub struct LastLayer(Panels<f64>);

impl LastLayer {
    /// The layer with these weights.
    ///
    /// # Errors
    /// Weights that are not [num_classes, dim], num_classes ≥ 2, or not finite.
    pub fn new(weight: Vec<f64>, dim: usize) -> Result<Self, MetricError> {
        let fits = dim > 0 && weight.len().is_multiple_of(dim) && weight.len() / dim >= 2;
        if !fits || weight.iter().any(|x| !x.is_finite()) {
            return Err(MetricError::LastLayer { len: weight.len(), dim });
        }
        Ok(Self(Panels::from_fn(weight.len() / dim, dim, |class, k| weight[class * dim + k])))
    }

    /// Scores of some rows: [num_classes, rows].
    fn logits(&self, set: &FeatureSet, rows: &[u32]) -> Panels<f64> {
        let features = Panels::from_fn(rows.len(), set.dim(), |i, k| set.row(rows[i] as usize)[k].into());
        product_alone(&self.0, &features, Wanted::All)
    }
}

/// Mean and standard deviation (divided by their number) over the splits, of which there are no more than images; with
/// torch-fidelity's `rng_seed = seed`.
///
/// # Errors
/// A last layer of another detector.
pub fn inception_score(set: &FeatureSet, layer: &LastLayer, seed: u32) -> Result<(f64, f64), MetricError> {
    if set.dim() != layer.0.columns() {
        return Err(MetricError::Width { expected: layer.0.columns(), got: set.dim() });
    }
    let n = set.num_rows();
    let order = RandomState::new(seed).permutation(n as u32);
    let num_splits = NUM_SPLITS.min(n);
    let splits: Vec<&[u32]> =
        (0..num_splits).map(|split| &order[split * n / num_splits..(split + 1) * n / num_splits]).collect();
    let scores: Vec<f64> = splits.into_par_iter().map(|rows| score(set, layer, rows)).collect();
    let count = scores.len() as f64;
    let mean = scores.iter().sum::<f64>() / count;
    let variance = scores.iter().map(|score| (score - mean).powi(2)).sum::<f64>() / count;
    Ok((mean, variance.sqrt()))
}

/// exp of (1/n) Σ Σ p log p − Σ q log q, q the mean of the p.
fn score(set: &FeatureSet, layer: &LastLayer, rows: &[u32]) -> f64 {
    let mut mean = vec![0.0; layer.0.rows()];
    let mut negative_entropy = 0.0;
    for part in rows.chunks(BLOCK) {
        let logits = layer.logits(set, part);
        for row in 0..part.len() {
            let logits: Vec<f64> = (0..mean.len()).map(|class| logits.get(class, row)).collect();
            let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let total: f64 = logits.iter().map(|logit| (logit - most).exp()).sum();
            let log_total = total.ln();
            for (sum, logit) in mean.iter_mut().zip(&logits) {
                let log_p = logit - most - log_total;
                let p = log_p.exp();
                *sum += p;
                negative_entropy += p * log_p;
            }
        }
    }
    let count = rows.len() as f64;
    let log = |q: f64| if q > 0.0 { q.ln() } else { 0.0 };
    let of_mean: f64 = mean.iter().map(|sum| sum / count).map(|q| q * log(q)).sum();
    (negative_entropy / count - of_mean).exp()
}
