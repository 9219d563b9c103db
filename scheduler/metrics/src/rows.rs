//! Blocks of feature rows about a common centre: what every metric of pairs of images is made of. Never more than a few
//! blocks and the products of two of them are in memory.

use std::ops::Range;

use rayon::prelude::*;

use crate::FeatureSet;
use crate::linalg::Panels;

/// Rows of a block: a block of 2,048 features is 8 MiB, the product of two is 4 MiB.
pub(super) const BLOCK: usize = 1024;
/// Blocks of one side that a thread holds, while those of the other pass by one after the other.
const STRIP: usize = 4;

/// Rounding unit of float32.
pub(super) const UNIT: f64 = f32::EPSILON as f64 / 2.0;

/// The blocks that `num_rows` rows are cut into.
pub(super) fn blocks(num_rows: usize) -> Vec<Range<usize>> {
    (0..num_rows).step_by(BLOCK).map(|first| first..(first + BLOCK).min(num_rows)).collect()
}

/// The numbers of `count` blocks, a few together.
pub(super) fn strips(count: usize) -> Vec<Range<usize>> {
    (0..count).step_by(STRIP).map(|first| first..(first + STRIP).min(count)).collect()
}

/// All pairs (i, j) of `0..ours` and `0..theirs`.
pub(super) fn pairs(ours: usize, theirs: usize) -> Vec<(usize, usize)> {
    (0..ours).flat_map(|i| (0..theirs).map(move |j| (i, j))).collect()
}

/// All pairs (i, j) of `0..count` with i ≤ j.
pub(super) fn pairs_within(count: usize) -> Vec<(usize, usize)> {
    (0..count).flat_map(|i| (i..count).map(move |j| (i, j))).collect()
}

/// ‖x − y‖² in float64, the same both ways.
pub(super) fn squared_distance(x: &[f32], y: &[f32]) -> f64 {
    const LANES: usize = 8;
    let mut sums = [0.0_f64; LANES];
    let (x_lanes, x_rest) = x.as_chunks::<LANES>();
    let (y_lanes, y_rest) = y.as_chunks::<LANES>();
    for (x, y) in x_lanes.iter().zip(y_lanes) {
        for ((sum, &x), &y) in sums.iter_mut().zip(x).zip(y) {
            let d = f64::from(x) - f64::from(y);
            *sum += d * d;
        }
    }
    let rest: f64 = x_rest.iter().zip(y_rest).map(|(&x, &y)| (f64::from(x) - f64::from(y)).powi(2)).sum();
    sums.iter().sum::<f64>() + rest
}

/// Features about a common centre, any one: the nearer their mean, the more float32 tells of distances.
#[derive(Debug)]
pub(super) struct Centred<'a> {
    set: &'a FeatureSet,
    centre: Vec<f32>,
    /// ‖x̃‖² of every row.
    squares: Vec<f64>,
}

impl<'a> Centred<'a> {
    pub(super) fn new(set: &'a FeatureSet, centre: Vec<f32>) -> Self {
        let square = |row: usize| {
            let (x, centre) = (set.row(row), &centre[..]);
            x.iter().zip(centre).map(|(x, centre)| f64::from(x - centre).powi(2)).sum()
        };
        let squares = (0..set.num_rows()).into_par_iter().map(square).collect();
        Self { set, centre, squares }
    }

    /// Centres the rows of a block.
    pub(super) fn block(&self, rows: &Range<usize>) -> Block<'_> {
        let value = |i: usize, k: usize| self.set.row(rows.start + i)[k] - self.centre[k];
        let values = Panels::from_fn(rows.len(), self.set.dim(), value);
        Block { values, squares: &self.squares[rows.clone()], first: rows.start }
    }
}

/// About the mean of every feature.
pub(super) fn centre_of(set: &FeatureSet) -> Vec<f32> {
    let sums = |rows: &Range<usize>| {
        let mut sums = vec![0.0_f64; set.dim()];
        for row in rows.clone() {
            sums.iter_mut().zip(set.row(row)).for_each(|(sum, &x)| *sum += f64::from(x));
        }
        sums
    };
    let mut centre = vec![0.0; set.dim()];
    for sums in blocks(set.num_rows()).par_iter().map(sums).collect::<Vec<_>>() {
        centre.iter_mut().zip(sums).for_each(|(centre, sum)| *centre += sum);
    }
    centre.into_iter().map(|sum| (sum / set.num_rows() as f64) as f32).collect()
}

/// Some rows x̃.
#[derive(Debug)]
pub(super) struct Block<'a> {
    /// [num_rows, dim].
    pub(super) values: Panels<f32>,
    /// ‖x̃‖² of each.
    pub(super) squares: &'a [f64],
    /// Which row of the set its first is.
    pub(super) first: usize,
}
