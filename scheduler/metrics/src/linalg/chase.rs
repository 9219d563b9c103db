//! A band matrix to one of three diagonals, of the same eigenvalues: column after column loses what lies below the first
//! of its diagonals, and what that fills in is chased down the band, in the second cache from beginning to end.

use fearless_simd::{dispatch, f64x8, prelude::*};

use super::band::{BAND, Band, COLUMN};
use super::number::level;
use super::reflector::{Pack, Reflector, reflect};

const PACKS: usize = BAND / 8;
type Column = [Pack; PACKS];

/// The main diagonal and the one below it.
pub(super) fn to_tridiagonal(band: &mut Band) -> (Vec<f64>, Vec<f64>) {
    let dim = band.dim;
    for column in 0..dim.saturating_sub(2) {
        dispatch!(level(), simd => sweep(simd, band, column));
    }
    let below = (0..dim.saturating_sub(1)).map(|j| band.get(j + 1, j));
    ((0..dim).map(|j| band.get(j, j)).collect(), below.collect())
}

/// Column j of the block whose first diagonal element this is: zeros stand above the diagonal.
#[inline(always)]
fn block(band: &mut Band, first: usize, j: usize) -> &mut Column {
    at(band, (first + j) * COLUMN + BAND - j)
}

/// [`BAND`] numbers of a column, from this row on.
#[inline(always)]
fn part(band: &mut Band, row: usize, column: usize) -> &mut Column {
    at(band, column * COLUMN + BAND + row - column)
}

#[inline(always)]
fn at(band: &mut Band, begin: usize) -> &mut Column {
    let (packs, _) = band.values[begin..begin + BAND].as_chunks_mut();
    packs.first_chunk_mut().expect("as many as a column has")
}

#[inline(always)]
fn sweep<S: Simd>(simd: S, band: &mut Band, column: usize) {
    let mut v = *part(band, column + 1, column);
    let mut made = reflect(simd, &mut v, 0);
    *part(band, column + 1, column) = alone(made.beta);
    let mut first = column + 1;
    loop {
        simd.vectorize(
            #[inline(always)]
            || both_sides(simd, band, first, (&v, made.tau)),
        );
        if first + BAND >= band.dim {
            return;
        }
        (v, made) = simd.vectorize(
            #[inline(always)]
            || {
                let (next, reflector) = from_the_right(simd, band, first, (&v, made.tau));
                *part(band, first + BAND, first) = alone(reflector.beta);
                (next, reflector)
            },
        );
        first += BAND;
    }
}

fn alone(beta: f64) -> Column {
    let mut column = [[0.0; 8]; PACKS];
    column[0][0] = beta;
    column
}

#[inline(always)]
fn loaded<S: Simd>(simd: S, column: &Column) -> [f64x8<S>; PACKS] {
    let mut vectors = [f64x8::splat(simd, 0.0); PACKS];
    for (vector, pack) in vectors.iter_mut().zip(column) {
        *vector = f64x8::load_array_ref(simd, pack);
    }
    vectors
}

#[inline(always)]
fn sum<S: Simd>(simd: S, x: &[f64x8<S>; PACKS], y: &[f64x8<S>; PACKS]) -> f64 {
    let mut sums = f64x8::splat(simd, 0.0);
    for (x, y) in x.iter().zip(y) {
        sums = x.mul_add(*y, sums);
    }
    sums.reduce_sum()
}

/// 1 from the diagonal of a block on, 0 above it.
const BELOW: [Column; BAND] = {
    let mut below = [[[0.0; 8]; PACKS]; BAND];
    let mut column = 0;
    while column < BAND {
        let mut row = column;
        while row < BAND {
            below[column][row / 8][row % 8] = 1.0;
            row += 1;
        }
        column += 1;
    }
    below
};

/// The block on the diagonal, with the reflector on both sides: D − v qᵀ − q vᵀ with q = w − ½ tau (wᵀv) v, w = tau D v.
#[inline(always)]
fn both_sides<S: Simd>(simd: S, band: &mut Band, first: usize, (v, tau): (&Column, f64)) {
    let vector = loaded(simd, v);
    let mut along = [f64x8::splat(simd, 0.0); PACKS];
    let mut across = [[0.0; 8]; PACKS];
    for j in 0..BAND {
        let column = loaded(simd, block(band, first, j));
        let v_j = v[j / 8][j % 8];
        across[j / 8][j % 8] = sum(simd, &column, &vector) - column[j / 8][j % 8] * v_j;
        let v_j = f64x8::splat(simd, v_j);
        for (along, column) in along.iter_mut().zip(&column) {
            *along = v_j.mul_add(*column, *along);
        }
    }
    let scale = f64x8::splat(simd, tau);
    let mut w = loaded(simd, &across);
    for (w, along) in w.iter_mut().zip(&along) {
        *w = (*w + *along) * scale;
    }
    let share = f64x8::splat(simd, -0.5 * tau * sum(simd, &w, &vector));
    let mut q = [[0.0; 8]; PACKS];
    for ((w, v), q) in w.iter_mut().zip(&vector).zip(&mut q) {
        *w = share.mul_add(*v, *w);
        *q = w.to_array();
    }
    for j in 0..BAND {
        let (v_j, q_j) = (f64x8::splat(simd, -v[j / 8][j % 8]), f64x8::splat(simd, -q[j / 8][j % 8]));
        let column = block(band, first, j);
        for (p, pack) in column.iter_mut().enumerate() {
            let change = q_j.mul_add(vector[p], v_j * w[p]);
            let below = f64x8::load_array_ref(simd, &BELOW[j][p]);
            *pack = below.mul_add(change, f64x8::load_array_ref(simd, pack)).to_array();
        }
    }
}

/// The block below: the reflector from the right, and from the left the next one, which its first column makes.
#[inline(always)]
fn from_the_right<S: Simd>(
    simd: S,
    band: &mut Band,
    first: usize,
    (v, tau): (&Column, f64),
) -> (Column, Reflector) {
    let row = first + BAND;
    let mut w = [f64x8::splat(simd, 0.0); PACKS];
    for j in 0..BAND {
        let v_j = f64x8::splat(simd, v[j / 8][j % 8]);
        for (w, column) in w.iter_mut().zip(loaded(simd, part(band, row, first + j))) {
            *w = v_j.mul_add(column, *w);
        }
    }
    let mut next = *part(band, row, first);
    for (pack, w) in next.iter_mut().zip(&w) {
        let scale = f64x8::splat(simd, -tau * v[0][0]);
        *pack = scale.mul_add(*w, f64x8::load_array_ref(simd, pack)).to_array();
    }
    let made = reflect(simd, &mut next, 0);
    let next_vector = loaded(simd, &next);
    for j in 1..BAND {
        let scale = f64x8::splat(simd, -tau * v[j / 8][j % 8]);
        let column = part(band, row, first + j);
        let mut values = loaded(simd, column);
        for (value, w) in values.iter_mut().zip(&w) {
            *value = scale.mul_add(*w, *value);
        }
        let share = f64x8::splat(simd, -made.tau * sum(simd, &values, &next_vector));
        for ((pack, value), next) in column.iter_mut().zip(&values).zip(&next_vector) {
            *pack = share.mul_add(*next, *value).to_array();
        }
    }
    (next, made)
}
