//! sigma = A Aᵀ, by Cholesky where it has full rank and by the eigenvectors of what there is where it has not.

use faer::linalg::matmul::{matmul, triangular};
use faer::{Accum, Mat, MatRef, Par, Side};

use crate::frechet::FrechetError;
use crate::linalg::{self, Panels, Wanted, Zeros, product, product_of_triangle};
use crate::nearest::nearest;

/// A of a covariance [dim, dim].
#[derive(Clone, Debug)]
pub(super) struct Factor {
    /// [dim, rank].
    a: Panels<f64>,
    /// Whether A is a lower triangle.
    is_triangle: bool,
}

/// A covariance in factors, and what had to be left out of it.
#[derive(Clone, Debug)]
pub(super) struct Factored {
    pub(super) factor: Factor,
    /// A Aᵀ and the Σ|λ| that it lacks, where sigma has eigenvalues below 0.
    pub(super) clipped: Option<(Mat<f64>, f64)>,
}

impl Factor {
    /// `num_images` of 1 to dim shows at once that the rank cannot be full; 0 means unknown. Eigenvalues are looked for
    /// only where no factor of sigma was found.
    ///
    /// # Errors
    /// A sigma that is no covariance.
    pub(super) fn find(sigma: &Panels<f64>, num_images: u64) -> Result<Factored, FrechetError> {
        let dim = sigma.rows();
        let few = (1..=dim as u64).contains(&num_images);
        if !few && let Some(lower) = cholesky(sigma) {
            return Ok(Factored { factor: Self { a: lower, is_triangle: true }, clipped: None });
        }
        let sigma = sigma.to_mat();
        let lower = pivoted(sigma.as_ref(), if few { num_images as usize - 1 } else { dim });
        if !is_whole(&lower, sigma.as_ref()) {
            return nearest(sigma.as_ref());
        }
        Ok(Factored { factor: Self::of(&eigen(&lower)?), clipped: None })
    }

    /// Of A, [dim, rank].
    pub(super) fn of(a: &Mat<f64>) -> Self {
        Self { a: Panels::of(a.as_ref()), is_triangle: false }
    }

    pub(super) fn rank(&self) -> usize {
        self.a.columns()
    }

    pub(super) fn is_full(&self) -> bool {
        self.rank() == self.a.rows()
    }

    /// Aᵀ sigma A, of which the lower triangle counts.
    pub(super) fn congruence(&self, sigma: &Panels<f64>) -> Panels<f64> {
        let transposed = self.a.transposed();
        let (zeros, wanted) = match self.is_triangle {
            true => (Zeros::Below, Wanted::Upper),
            false => (Zeros::Nowhere, Wanted::All),
        };
        let turned = product_of_triangle((&transposed, zeros), sigma, wanted);
        product_of_triangle((&transposed, zeros), &turned, Wanted::Lower)
    }

    /// A v, of v as [columns, rank]: [dim, columns].
    pub(super) fn times(&self, v: &Panels<f64>) -> Panels<f64> {
        match self.is_triangle {
            true => product_of_triangle((&self.a, Zeros::Above), v, Wanted::All),
            false => product(&self.a, v, Wanted::All),
        }
    }
}

/// Below this share of the largest eigenvalue (or pivot) there is nothing but rounding.
pub(super) fn noise_floor(dim: usize, largest: f64) -> f64 {
    dim as f64 * f64::EPSILON * largest
}

/// `None` where a pivot is no more than rounding noise.
fn cholesky(sigma: &Panels<f64>) -> Option<Panels<f64>> {
    let lower = linalg::cholesky(sigma)?;
    let pivots = (0..lower.rows()).map(|i| lower.get(i, i).powi(2));
    let (least, most) = pivots.fold((f64::INFINITY, 0.0_f64), |(lo, hi), p| (lo.min(p), hi.max(p)));
    (least > noise_floor(lower.rows(), most)).then_some(lower)
}

/// L of sigma = L Lᵀ, [dim, rank], by Cholesky with the largest pivot first, until `max_rank` or until only noise is
/// left. Costs dim·rank²: 64 images of 2,048 features need no decomposition of a 2,048×2,048 matrix.
fn pivoted(sigma: MatRef<'_, f64>, max_rank: usize) -> Mat<f64> {
    let dim = sigma.nrows();
    let mut left: Vec<f64> = (0..dim).map(|i| sigma[(i, i)]).collect();
    let floor = noise_floor(dim, left.iter().copied().fold(0.0, f64::max));
    let mut columns: Vec<Vec<f64>> = Vec::new();
    while columns.len() < max_rank {
        let (pivot, &most) = left.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).expect("dim is not 0");
        if most <= floor {
            break;
        }
        let mut column: Vec<f64> = (0..dim).map(|i| sigma[(i, pivot)]).collect();
        for earlier in &columns {
            let share = earlier[pivot];
            column.iter_mut().zip(earlier).for_each(|(sum, value)| *sum -= share * value);
        }
        let root = most.sqrt();
        column.iter_mut().for_each(|value| *value /= root);
        left.iter_mut().zip(&column).for_each(|(left, value)| *left -= value * value);
        left[pivot] = 0.0;
        columns.push(column);
    }
    Mat::from_fn(dim, columns.len(), |i, k| columns[k][i])
}

/// Whether L Lᵀ is all of sigma but rounding: then its eigenvalues are 0 or more, to as much.
fn is_whole(lower: &Mat<f64>, sigma: MatRef<'_, f64>) -> bool {
    const ROUNDING: f64 = 1e-8;
    use triangular::BlockStructure::{Rectangular, TriangularLower};
    let (dim, mut left) = (sigma.nrows(), sigma.to_owned());
    if lower.ncols() > 0 {
        let (l, r) = (lower.as_ref(), lower.transpose());
        let to = left.as_mut();
        triangular::matmul(to, TriangularLower, Accum::Add, l, Rectangular, r, Rectangular, -1.0, Par::Seq);
    }
    let below = || (0..dim).flat_map(|j| (j..dim).map(move |i| (i, j)));
    let most = below().fold(0.0_f64, |most, at| most.max(left[at].abs()));
    let share = |(i, j): (usize, usize)| if i == j { 1.0 } else { 2.0 } * (left[(i, j)] / most).powi(2);
    let largest = (0..dim).fold(0.0_f64, |most, i| most.max(sigma[(i, i)]));
    most == 0.0 || most * below().map(share).sum::<f64>().sqrt() <= ROUNDING * largest
}

/// L V, with V the eigenvectors of LᵀL for the λ above the noise: the rest, 1e-15 of rounding, would be 1e-7 under the
/// root. The λ are also those of L Lᵀ.
fn eigen(lower: &Mat<f64>) -> Result<Mat<f64>, FrechetError> {
    let (dim, rank) = (lower.nrows(), lower.ncols());
    if rank == 0 {
        return Ok(Mat::zeros(dim, 0));
    }
    let mut gram = Mat::zeros(rank, rank);
    matmul(gram.as_mut(), Accum::Replace, lower.transpose(), lower.as_ref(), 1.0, Par::Seq);
    let decomposed = gram.self_adjoint_eigen(Side::Lower).map_err(|_| FrechetError::NoConvergence)?;
    let (values, vectors) = (decomposed.S(), decomposed.U());
    let noise = noise_floor(dim, values[rank - 1]).max(0.0);
    let kept: Vec<usize> = (0..rank).filter(|&k| values[k] > noise).collect();
    let directions = Mat::from_fn(rank, kept.len(), |i, k| vectors[(i, kept[k])]);
    let mut factor = Mat::zeros(dim, kept.len());
    matmul(factor.as_mut(), Accum::Replace, lower.as_ref(), directions.as_ref(), 1.0, Par::Seq);
    Ok(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(rows: usize, columns: usize, seed: usize) -> Mat<f64> {
        Mat::from_fn(rows, columns, |i, j| ((i * 31 + j * 17 + seed * 7) % 101) as f64 / 50.0 - 1.0)
    }

    #[test]
    fn zeros_of_a_triangle_are_left_out_and_nothing_else() {
        let dim = 261;
        let sigma = numbers(dim, dim, 3);
        let sigma = Mat::from_fn(dim, dim, |i, j| sigma[(i.max(j), i.min(j))]);
        let mut lower = numbers(dim, dim, 4);
        (0..dim).for_each(|j| (0..j).for_each(|i| lower[(i, j)] = 0.0));
        let v = numbers(dim, 9, 5);
        for (a, is_triangle) in [(numbers(dim, dim, 4), false), (lower, true), (numbers(dim, 7, 5), false)] {
            let factor = Factor { is_triangle, ..Factor::of(&a) };
            let (found, expected) =
                (factor.congruence(&Panels::of(sigma.as_ref())), a.transpose() * &sigma * &a);
            for (i, j) in (0..a.ncols()).flat_map(|j| (j..a.ncols()).map(move |i| (i, j))) {
                assert!((found.get(i, j) - expected[(i, j)]).abs() < 1e-9, "{is_triangle} at {i},{j}");
            }
            let v = v.subrows(0, a.ncols());
            let (found, expected) = (factor.times(&Panels::of(v.transpose())), &a * v);
            for (i, j) in (0..dim).flat_map(|i| (0..9).map(move |j| (i, j))) {
                assert!((found.get(i, j) - expected[(i, j)]).abs() < 1e-9, "{is_triangle} at {i},{j}");
            }
        }
    }
}
