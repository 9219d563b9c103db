//! sigma = A Aᵀ, by Cholesky where it has full rank and by eigenvectors where it has not.

use faer::{Mat, MatRef, Side};

use super::frechet::FrechetError;

/// A of a covariance [dim, dim]: [dim, rank].
#[derive(Clone, Debug)]
pub(super) struct Factor(Mat<f64>);

impl Factor {
    /// `num_images` of 1 to dim shows at once that the rank cannot be full; 0 means unknown.
    pub(super) fn new(sigma: MatRef<'_, f64>, num_images: u64) -> Result<Self, FrechetError> {
        let few = (1..=sigma.nrows() as u64).contains(&num_images);
        match if few { None } else { cholesky(sigma) } {
            Some(lower) => Ok(Self(lower)),
            None => eigen(sigma).map(Self),
        }
    }

    pub(super) fn matrix(&self) -> MatRef<'_, f64> {
        self.0.as_ref()
    }

    pub(super) fn rank(&self) -> usize {
        self.0.ncols()
    }

    pub(super) fn is_full(&self) -> bool {
        self.0.ncols() == self.0.nrows()
    }
}

/// Below this share of the largest eigenvalue (or pivot) there is nothing but rounding.
fn noise_floor(dim: usize, largest: f64) -> f64 {
    dim as f64 * f64::EPSILON * largest
}

/// `None` where a pivot is no more than rounding noise.
fn cholesky(sigma: MatRef<'_, f64>) -> Option<Mat<f64>> {
    let lower = sigma.llt(Side::Lower).ok()?.L().to_owned();
    let pivots = (0..lower.nrows()).map(|i| lower[(i, i)] * lower[(i, i)]);
    let (least, most) = pivots.fold((f64::INFINITY, 0.0_f64), |(lo, hi), p| (lo.min(p), hi.max(p)));
    (least > noise_floor(lower.nrows(), most)).then_some(lower)
}

/// Eigenvectors times √λ, of the λ above the noise: the rest, 1e-15 of rounding, would be 1e-7 under the root.
fn eigen(sigma: MatRef<'_, f64>) -> Result<Mat<f64>, FrechetError> {
    let dim = sigma.nrows();
    let decomposed = sigma.self_adjoint_eigen(Side::Lower).map_err(|_| FrechetError::NoConvergence)?;
    let (values, vectors) = (decomposed.S(), decomposed.U());
    let largest = values[dim - 1];
    let kept: Vec<usize> = (0..dim).filter(|&k| values[k] > noise_floor(dim, largest).max(0.0)).collect();
    Ok(Mat::from_fn(dim, kept.len(), |i, k| vectors[(i, kept[k])] * values[kept[k]].sqrt()))
}
