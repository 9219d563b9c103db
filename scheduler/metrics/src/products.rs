//! Products of large matrices by panels of columns, side by side on all cores: where a panel begins depends on the shapes
//! alone, so the bits do not depend on the number of threads.

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatMut, MatRef, Par};
use rayon::prelude::*;

/// Columns of a panel.
const PANEL: usize = 256;

/// a b.
pub(super) fn product(a: MatRef<'_, f64>, b: MatRef<'_, f64>) -> Mat<f64> {
    let mut product = Mat::zeros(a.nrows(), b.ncols());
    panels(product.as_mut()).into_par_iter().for_each(|(first, panel)| {
        let columns = b.subcols(first, panel.ncols());
        matmul(panel, Accum::Replace, a, columns, 1.0, Par::Seq);
    });
    product
}

/// Aᵀ sigma A, of which the lower triangle counts. Where A is a lower triangle, as Cholesky's factor is, products of its
/// zeros are left out.
pub(super) fn congruence(a: MatRef<'_, f64>, sigma: MatRef<'_, f64>) -> Mat<f64> {
    let is_lower = a.nrows() == a.ncols() && (0..a.ncols()).all(|j| (0..j).all(|i| a[(i, j)] == 0.0));
    let mut product = Mat::zeros(a.ncols(), a.ncols());
    panels(product.as_mut()).into_par_iter().for_each(|(first, panel)| {
        let (width, begins) = (panel.ncols(), if is_lower { first } else { 0 });
        let mut sigma_a = Mat::zeros(sigma.nrows() - begins, width);
        let columns = a.subcols(first, width).subrows(begins, a.nrows() - begins);
        let sigma = sigma.subcols(begins, sigma.ncols() - begins).subrows(begins, sigma.nrows() - begins);
        matmul(sigma_a.as_mut(), Accum::Replace, sigma, columns, 1.0, Par::Seq);
        let rows = a.subcols(first, a.ncols() - first).subrows(begins, a.nrows() - begins).transpose();
        let (_, below) = panel.split_at_row_mut(first);
        matmul(below, Accum::Replace, rows, sigma_a.as_ref(), 1.0, Par::Seq);
    });
    product
}

/// Panels with their first columns.
fn panels(mut left: MatMut<'_, f64>) -> Vec<(usize, MatMut<'_, f64>)> {
    let (mut panels, mut first) = (Vec::new(), 0);
    while left.ncols() > 0 {
        let width = PANEL.min(left.ncols());
        let (panel, rest) = left.split_at_col_mut(width);
        panels.push((first, panel));
        (left, first) = (rest, first + width);
    }
    panels
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(rows: usize, columns: usize, seed: usize) -> Mat<f64> {
        Mat::from_fn(rows, columns, |i, j| ((i * 31 + j * 17 + seed * 7) % 101) as f64 / 50.0 - 1.0)
    }

    fn naive(a: &Mat<f64>, b: &Mat<f64>) -> Mat<f64> {
        Mat::from_fn(a.nrows(), b.ncols(), |i, j| (0..a.ncols()).map(|k| a[(i, k)] * b[(k, j)]).sum())
    }

    fn lower_difference(a: &Mat<f64>, b: &Mat<f64>) -> f64 {
        let below = (0..a.ncols()).flat_map(|j| (j..a.nrows()).map(move |i| (i, j)));
        below.map(|at| (a[at] - b[at]).abs()).fold(0.0, f64::max)
    }

    #[test]
    fn panels_hold_all_of_a_product() {
        let (a, b) = (numbers(70, 90, 1), numbers(90, 2 * PANEL + 3, 2));
        let found = product(a.as_ref(), b.as_ref());
        let expected = naive(&a, &b);
        assert!(
            (0..b.ncols()).all(|j| (0..70).all(|i| (found[(i, j)] - expected[(i, j)]).abs() < 1e-12)),
            "another product"
        );
    }

    #[test]
    fn zeros_of_a_triangle_are_left_out_and_nothing_else() {
        let dim = PANEL + 5;
        let sigma = numbers(dim, dim, 3);
        let sigma = Mat::from_fn(dim, dim, |i, j| sigma[(i.max(j), i.min(j))]);
        let mut a = numbers(dim, dim, 4);
        for is_lower in [false, true] {
            if is_lower {
                (0..dim).for_each(|j| (0..j).for_each(|i| a[(i, j)] = 0.0));
            }
            let expected = naive(&a.transpose().to_owned(), &naive(&sigma, &a));
            let found = congruence(a.as_ref(), sigma.as_ref());
            assert!(lower_difference(&found, &expected) < 1e-9, "{}", lower_difference(&found, &expected));
        }
        let tall = numbers(dim, 7, 5);
        let expected = naive(&tall.transpose().to_owned(), &naive(&sigma, &tall));
        assert!(lower_difference(&congruence(tall.as_ref(), sigma.as_ref()), &expected) < 1e-9);
    }
}
