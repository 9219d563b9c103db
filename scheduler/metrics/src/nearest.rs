//! A sigma that no factor was found of: what its eigenvalues say, and the nearest covariance.

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Par, Side};

use crate::factor::{Factor, Factored, noise_floor};
use crate::frechet::FrechetError;

/// Negative eigenvalues down to this share of the largest are what sums in single precision leave; 0 stands for them.
const MAX_NEGATIVE: f64 = 1e-4;
/// Beyond this share there is no arithmetic that a covariance could come out of like that.
const MAX_NEGATIVE_OF_SUMS: f64 = 1e-2;

/// sigma without its negative eigenvalues, in factors.
///
/// # Errors
/// [`FrechetError::Indefinite`] where they are more than rounding.
pub(super) fn nearest(sigma: MatRef<'_, f64>) -> Result<Factored, FrechetError> {
    let dim = sigma.nrows();
    let decomposed = sigma.self_adjoint_eigen(Side::Lower).map_err(|_| FrechetError::NoConvergence)?;
    let (values, vectors) = (decomposed.S(), decomposed.U());
    // Ascending.
    let (least, largest) = (values[0], values[dim - 1]);
    if least < -MAX_NEGATIVE * largest.max(0.0) {
        return Err(FrechetError::Indefinite { least, largest, likely: likely(least, largest) });
    }
    let noise = noise_floor(dim, largest);
    let mass = (0..dim).map(|k| values[k]).filter(|&value| value < -noise).map(f64::abs).sum();
    let kept: Vec<usize> = (0..dim).filter(|&k| values[k] > noise).collect();
    let factor = Mat::from_fn(dim, kept.len(), |i, k| vectors[(i, kept[k])] * values[kept[k]].sqrt());
    let mut whole = Mat::zeros(dim, dim);
    if !kept.is_empty() {
        matmul(whole.as_mut(), Accum::Replace, factor.as_ref(), factor.transpose(), 1.0, Par::Seq);
    }
    Ok(Factored { factor: Factor::of(&factor), clipped: Some((whole, mass)) })
}

fn likely(least: f64, largest: f64) -> &'static str {
    if least < -MAX_NEGATIVE_OF_SUMS * largest.max(0.0) {
        "another matrix under that name, or a damaged one"
    } else {
        "a covariance summed in too low a precision: sum it in float64"
    }
}
