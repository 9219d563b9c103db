//! Sums of KID's polynomial kernel over pairs of rows, in float64.

use std::ops::Range;

use faer::linalg::matmul::{matmul, triangular};
use faer::{Accum, Mat, MatRef, Par};

use crate::FeatureSet;

/// Some rows of features, float64 [num_rows, dim] row-major.
pub(super) struct Rows {
    values: Vec<f64>,
    num_rows: usize,
    dim: usize,
}

impl Rows {
    pub(super) fn of(set: &FeatureSet, rows: &Range<usize>) -> Self {
        let values = set.values()[rows.start * set.dim()..rows.end * set.dim()].iter().map(|&x| x.into());
        Self { values: values.collect(), num_rows: rows.len(), dim: set.dim() }
    }

    pub(super) fn gathered(set: &FeatureSet, rows: &[u32]) -> Self {
        let values = rows.iter().flat_map(|&row| set.row(row as usize)).map(|&x| x.into());
        Self { values: values.collect(), num_rows: rows.len(), dim: set.dim() }
    }

    /// Σᵢⱼ k(xᵢ,yⱼ), y the other's rows.
    pub(super) fn sum_with(&self, other: &Self) -> f64 {
        let mut products = Mat::zeros(self.num_rows, other.num_rows);
        let (x, y) = (self.matrix(), other.matrix());
        matmul(products.as_mut(), Accum::Replace, x, y.transpose(), 1.0, Par::Seq);
        (0..other.num_rows).map(|column| self.kernel_sum(products.col_as_slice(column))).sum()
    }

    /// Σ_{i≠j} k(xᵢ,xⱼ), either order counted.
    pub(super) fn sum_of_pairs(&self) -> f64 {
        use triangular::BlockStructure::{Rectangular, TriangularLower};
        let mut products = Mat::zeros(self.num_rows, self.num_rows);
        let (x, to) = (self.matrix(), products.as_mut());
        let accum = Accum::Replace;
        triangular::matmul(
            to,
            TriangularLower,
            accum,
            x,
            Rectangular,
            x.transpose(),
            Rectangular,
            1.0,
            Par::Seq,
        );
        let below = |column| self.kernel_sum(&products.col_as_slice(column)[column + 1..]);
        2.0 * (0..self.num_rows).map(below).sum::<f64>()
    }

    /// Σ (p/D + 1)³.
    fn kernel_sum(&self, products: &[f64]) -> f64 {
        let share = 1.0 / self.dim as f64;
        let kernel = |product: f64| {
            let base = product * share + 1.0;
            base * base * base
        };
        products.iter().map(|&product| kernel(product)).sum()
    }

    fn matrix(&self) -> MatRef<'_, f64> {
        MatRef::from_row_major_slice(&self.values, self.num_rows, self.dim)
    }
}
