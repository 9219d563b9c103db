//! A symmetric matrix to one with as few diagonals as a vector's packs can hold, of the same eigenvalues: reflectors of a
//! block of columns, which then are two products of large matrices.

use fearless_simd::{dispatch, prelude::*};

use super::number::level;
use super::panels::Panels;
use super::product::{Target, Wanted, product_alone};
use super::reflector::{Pack, add_scaled, dot, reflect};

/// Diagonals below the main one that are left.
pub(super) const BAND: usize = 32;
/// Numbers of a column: room above the diagonal, which stays 0, and below it for what chasing fills in.
pub(super) const COLUMN: usize = 3 * BAND;

const PANELS: usize = BAND / 8;

/// The lower triangle of a band matrix, and zeros beyond its end.
#[derive(Debug)]
pub(super) struct Band {
    pub(super) dim: usize,
    /// Of [`COLUMN`] numbers for each column.
    pub(super) values: Vec<f64>,
}

impl Band {
    fn new(dim: usize) -> Self {
        Self { dim, values: vec![0.0; (dim + 2 * BAND) * COLUMN] }
    }

    pub(super) fn get(&self, row: usize, column: usize) -> f64 {
        self.values[column * COLUMN + BAND + row - column]
    }

    fn set(&mut self, row: usize, column: usize, value: f64) {
        self.values[column * COLUMN + BAND + row - column] = value;
    }
}

/// Of both triangles of `a`, which is used up.
pub(super) fn to_band(a: &mut Panels<f64>) -> Band {
    let dim = a.rows();
    let mut band = Band::new(dim);
    for first in (0..dim).step_by(BAND) {
        let below = dim.min(first + BAND);
        for column in first..below {
            (column..below).for_each(|row| band.set(row, column, a.get(row, column)));
        }
        if below < dim {
            let factored = Factored::of(a, first);
            for (j, column) in factored.triangle.iter().enumerate() {
                let rows = (dim - below).min(j + 1);
                (0..rows).for_each(|i| band.set(below + i, first + j, column[i]));
            }
            update(a, below, &factored);
        }
    }
    band
}

/// Q R of the rows below a block of columns, Q = I − V T Vᵀ.
struct Factored {
    /// [rows, BAND].
    v: Panels<f64>,
    /// T and R, by column.
    t: [[f64; BAND]; BAND],
    triangle: [[f64; BAND]; BAND],
}

impl Factored {
    fn of(a: &Panels<f64>, first: usize) -> Self {
        let begin = first / 8 + PANELS;
        let height = a.count() - begin;
        let mut x = Vec::with_capacity(BAND * height);
        for j in 0..BAND {
            x.extend((begin..a.count()).map(|panel| a.panel(panel)[first + j]));
        }
        let rows = a.rows() - 8 * begin;
        let (taus, triangle) = dispatch!(level(), simd => reflectors(simd, &mut x, rows));
        let mut v = Panels::zeros(rows, BAND);
        let stride = v.stride();
        for (panel, packs) in v.packs_mut().chunks_mut(stride).enumerate() {
            packs[..BAND].iter_mut().enumerate().for_each(|(j, pack)| *pack = x[j * height + panel]);
        }
        let turned = v.transposed();
        let gram = product_alone(&turned, &turned, Wanted::All);
        let mut t = [[0.0; BAND]; BAND];
        for j in 0..BAND {
            let mut column = [0.0; BAND];
            for (i, value) in column[..j].iter_mut().enumerate() {
                let sum: f64 = (i..j).map(|k| t[k][i] * gram.get(k, j)).sum();
                *value = -taus[j] * sum;
            }
            column[j] = taus[j];
            t[j] = column;
        }
        Self { v, t, triangle }
    }
}

type Square = [[f64; BAND]; BAND];

/// Makes V of the columns of x, one after the other, and gives the taus and R.
#[inline(always)]
fn reflectors<S: Simd>(simd: S, x: &mut [Pack], rows: usize) -> ([f64; BAND], Square) {
    simd.vectorize(
        #[inline(always)]
        || {
            let height = x.len() / BAND;
            let (mut taus, mut triangle) = ([0.0; BAND], [[0.0; BAND]; BAND]);
            for j in 0..BAND {
                let (known, later) = x.split_at_mut((j + 1) * height);
                let column = &mut known[j * height..];
                let kept = j.min(rows);
                (0..kept).for_each(|i| triangle[j][i] = column[i / 8][i % 8]);
                if j >= rows {
                    column.fill([0.0; 8]);
                    continue;
                }
                column[..j / 8].fill([0.0; 8]);
                let v = &mut column[j / 8..];
                let made = reflect(simd, v, j % 8);
                (taus[j], triangle[j][j]) = (made.tau, made.beta);
                for other in later.chunks_mut(height) {
                    let other = &mut other[j / 8..];
                    let share = dot(simd, v, other);
                    add_scaled(simd, -made.tau * share, v, other);
                }
            }
            (taus, triangle)
        },
    )
}

/// Qᵀ A Q of the rows and columns from `below` on: A − V Wᵀ − W Vᵀ with W = Y − ½ V Tᵀ Vᵀ Y, Y = A V T.
fn update(a: &mut Panels<f64>, below: usize, factored: &Factored) {
    let Factored { v, t, .. } = factored;
    let rows = v.rows();
    let turned = v.transposed();
    // A V and V side by side: W is a product of both.
    let mut beside = Panels::zeros(rows, 2 * BAND);
    let to = Target { product: &mut beside, panel: 0, column: 0, adds: false };
    to.put(a.part(below / 8, below), turned.part(0, 0), Wanted::All);
    let of_v = Panels::from_fn(rows, BAND, |i, j| beside.get(i, j)).transposed();
    let inner = product_alone(&turned, &of_v, Wanted::All);
    // Tᵀ (Vᵀ A V) T.
    let first: Square =
        std::array::from_fn(|j| std::array::from_fn(|i| (0..=j).map(|k| inner.get(i, k) * t[j][k]).sum()));
    let whole: Square =
        std::array::from_fn(|j| std::array::from_fn(|i| (0..=i).map(|k| t[i][k] * first[j][k]).sum()));
    let factors = Panels::from_fn(BAND, 2 * BAND, |j, k| match k.checked_sub(BAND) {
        None => t[j][k],
        Some(k) => -0.5 * whole[j][k],
    });
    copy(v, &mut beside, (BAND, 1.0));
    let w = super::product(&beside, &factors, Wanted::All);
    // [V W] and −[W V].
    let mut others = Panels::zeros(rows, 2 * BAND);
    copy(&w, &mut others, (0, -1.0));
    copy(v, &mut others, (BAND, -1.0));
    copy(v, &mut beside, (0, 1.0));
    copy(&w, &mut beside, (BAND, 1.0));
    let to = Target { product: a, panel: below / 8, column: below, adds: true };
    to.put(beside.part(0, 0), others.part(0, 0), Wanted::All);
}

/// Puts the scaled columns of one matrix behind the first `column` of another.
fn copy(from: &Panels<f64>, to: &mut Panels<f64>, (column, scale): (usize, f64)) {
    let stride = to.stride();
    for (panel, packs) in to.packs_mut().chunks_mut(stride).enumerate() {
        for (to, from) in packs[column..].iter_mut().zip(&from.panel(panel)[..from.columns()]) {
            *to = from.map(|value| scale * value);
        }
    }
}
