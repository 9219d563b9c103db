//! What a set of images looks like to a detector.

/// Moments of `num_images` feature vectors of dimension D, in f64.
#[derive(Debug, Clone, PartialEq)]
pub struct Statistics {
    /// Mean, `[D]`.
    pub mu: Vec<f64>,
    /// Covariance (divided by `num_images - 1`), row-major `[D, D]`.
    pub sigma: Vec<f64>,
    /// How many feature vectors were folded.
    pub num_images: u64,
}

impl Statistics {
    /// D, the dimension of the features.
    pub fn dim(&self) -> usize {
        self.mu.len()
    }
}
