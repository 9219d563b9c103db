//! sigma = L Lᵀ by blocks of columns: what remains after each is a product of large matrices.

use fearless_simd::{dispatch, f64x8, prelude::*};
use rayon::prelude::*;

use super::number::level;
use super::panels::Panels;
use super::product::{Target, Wanted};
use super::reflector::Pack;

/// Columns of a block.
const BLOCK: usize = 64;

/// The lower triangle, of a matrix of which the lower triangle counts; `None` where a pivot is not above 0.
pub(crate) fn cholesky(sigma: &Panels<f64>) -> Option<Panels<f64>> {
    let dim = sigma.rows();
    let mut lower = Panels::zeros(dim, dim);
    let stride = lower.stride();
    lower.packs_mut().par_chunks_mut(stride).enumerate().for_each(|(panel, packs)| {
        let known = 8 * (panel + 1);
        packs[..known].copy_from_slice(&sigma.panel(panel)[..known]);
    });
    for first in (0..dim).step_by(BLOCK) {
        let below = dim.min(first + BLOCK);
        let factored = Triangle::of(&lower, first, below)?;
        for (row, column) in (first..below).flat_map(|i| (first..below).map(move |j| (i, j))) {
            *lower.get_mut(row, column) = factored.0[row - first][column - first];
        }
        if below == dim {
            break;
        }
        let panels = &mut lower.packs_mut()[below / 8 * stride..];
        panels.par_chunks_mut(stride).for_each(|packs| {
            dispatch!(level(), simd => factored.solve(simd, &mut packs[first..below]));
        });
        let (a, b) = (beside(&lower, first, 1.0), beside(&lower, first, -1.0));
        let to = Target { product: &mut lower, panel: below / 8, column: below, adds: true };
        to.put(a.part(0, 0), b.part(0, 0), Wanted::Lower);
    }
    // What products have left right of the diagonal.
    lower.packs_mut().par_chunks_mut(stride).enumerate().for_each(|(panel, packs)| {
        packs[8 * (panel + 1)..].iter_mut().take(BLOCK).for_each(|pack| *pack = [0.0; 8]);
        for (column, pack) in packs[8 * panel..8 * (panel + 1)].iter_mut().enumerate() {
            pack[..column].fill(0.0);
        }
    });
    Some(lower)
}

/// The block of columns from `first` on, of the rows below it.
fn beside(lower: &Panels<f64>, first: usize, scale: f64) -> Panels<f64> {
    let begin = (first + BLOCK) / 8;
    let mut beside = Panels::<f64>::zeros(lower.rows() - 8 * begin, BLOCK);
    let stride = beside.stride();
    for (panel, packs) in beside.packs_mut().chunks_mut(stride).enumerate() {
        for (to, from) in packs.iter_mut().zip(&lower.panel(begin + panel)[first..first + BLOCK]) {
            *to = from.map(|value| scale * value);
        }
    }
    beside
}

/// The factor of a block on the diagonal, row by row.
struct Triangle([[f64; BLOCK]; BLOCK]);

impl Triangle {
    fn of(lower: &Panels<f64>, first: usize, end: usize) -> Option<Self> {
        let mut rows = [[0.0; BLOCK]; BLOCK];
        for i in 0..end - first {
            for j in 0..=i {
                let known: f64 = rows[i][..j].iter().zip(&rows[j]).map(|(a, b)| a * b).sum();
                let left = lower.get(first + i, first + j) - known;
                rows[i][j] = match i == j {
                    true if left > 0.0 => left.sqrt(),
                    true => return None,
                    false => left / rows[j][j],
                };
            }
        }
        Some(Self(rows))
    }

    /// Of a panel of rows A, [8, BLOCK]: A L^(−ᵀ).
    #[inline(always)]
    fn solve<S: Simd>(&self, simd: S, columns: &mut [Pack]) {
        simd.vectorize(
            #[inline(always)]
            || {
                for j in 0..columns.len() {
                    let (known, later) = columns.split_at_mut(j + 1);
                    let solved = f64x8::load_array_ref(simd, &known[j]) / f64x8::splat(simd, self.0[j][j]);
                    known[j] = solved.to_array();
                    for (pack, row) in later.iter_mut().zip(&self.0[j + 1..]) {
                        let share = f64x8::splat(simd, -row[j]);
                        *pack = share.mul_add(solved, f64x8::load_array_ref(simd, pack)).to_array();
                    }
                }
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of every number of columns that is cut another way.
    #[test]
    fn a_triangle_times_itself_is_the_matrix() {
        for dim in [1, 7, 8, 9, 63, 64, 65, 130, 300] {
            let root = Panels::from_fn(dim, dim, |i, j| match i.cmp(&j) {
                std::cmp::Ordering::Less => 0.0,
                std::cmp::Ordering::Equal => 1.0 + i as f64,
                std::cmp::Ordering::Greater => ((i * 7919 + j * 31) % 101) as f64 / 101.0,
            });
            let sigma = super::super::product(&root, &root, Wanted::All);
            let found = cholesky(&sigma).unwrap();
            for (i, j) in (0..dim).flat_map(|i| (0..dim).map(move |j| (i, j))) {
                let off = (found.get(i, j) - root.get(i, j)).abs();
                assert!(
                    off < 1e-10 && (i >= j || found.get(i, j) == 0.0),
                    "{dim} at {i},{j}: off by {off:e}"
                );
            }
            let mut broken = sigma;
            *broken.get_mut(dim - 1, dim - 1) = -1.0;
            assert_eq!(cholesky(&broken), None);
        }
    }
}
