//! Sums of KID's polynomial kernel over pairs of rows, in float64.

use std::ops::Range;

use crate::FeatureSet;
use crate::linalg::{Panels, Wanted, product_alone};

/// Some rows of features, [num_rows, dim].
pub(super) struct Rows(Panels<f64>);

impl Rows {
    pub(super) fn of(set: &FeatureSet, rows: &Range<usize>) -> Self {
        Self(Panels::from_fn(rows.len(), set.dim(), |i, k| set.row(rows.start + i)[k].into()))
    }

    pub(super) fn gathered(set: &FeatureSet, rows: &[u32]) -> Self {
        Self(Panels::from_fn(rows.len(), set.dim(), |i, k| set.row(rows[i] as usize)[k].into()))
    }

    /// Σᵢⱼ k(xᵢ,yⱼ), y the other's rows.
    pub(super) fn sum_with(&self, other: &Self) -> f64 {
        let products = product_alone(&self.0, &other.0, Wanted::All);
        self.kernel_sum(&products, |_, _| true)
    }

    /// Σ_{i≠j} k(xᵢ,xⱼ), either order counted.
    pub(super) fn sum_of_pairs(&self) -> f64 {
        let products = product_alone(&self.0, &self.0, Wanted::Lower);
        2.0 * self.kernel_sum(&products, |i, j| i > j)
    }

    /// Σ (p/D + 1)³ over the pairs that count.
    fn kernel_sum(&self, products: &Panels<f64>, counts: impl Fn(usize, usize) -> bool) -> f64 {
        let share = 1.0 / self.0.columns() as f64;
        let mut sums = [0.0; 8];
        for panel in 0..products.count() {
            let rows = 8 * panel..products.rows().min(8 * panel + 8);
            for (j, pack) in products.panel(panel)[..products.columns()].iter().enumerate() {
                for ((i, product), sum) in rows.clone().zip(pack).zip(&mut sums) {
                    let base = product * share + 1.0;
                    *sum += if counts(i, j) { base * base * base } else { 0.0 };
                }
            }
        }
        sums.iter().sum()
    }
}
