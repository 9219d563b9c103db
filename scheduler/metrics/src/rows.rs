//! Blocks of feature rows and the products of two of them: what every metric of pairs of images is made of. Never more
//! than a block against a block is in memory.

use std::ops::Range;

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Par};

use crate::FeatureSet;

/// Rows of a block: two blocks of 2,048 features are 16 MiB, their product is 4 MiB.
pub(super) const BLOCK: usize = 1024;

/// Rounding unit of float32.
const UNIT: f64 = f32::EPSILON as f64 / 2.0;

/// The blocks that `num_rows` rows are cut into.
pub(super) fn blocks(num_rows: usize) -> Vec<Range<usize>> {
    (0..num_rows).step_by(BLOCK).map(|first| first..(first + BLOCK).min(num_rows)).collect()
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

/// Features about a common centre, and what their float32 products tell of distances.
///
/// With x̃ the centred features rounded to float32, ‖x − y‖² = ‖x̃‖² + ‖ỹ‖² − 2 x̃ᵀỹ, but for at most
/// 2γ‖x̃‖‖ỹ‖ + 5u(‖x̃‖² + ‖ỹ‖²), γ = Du/(1 − Du), u = 2⁻²⁴: γ bounds a sum of D products in any order (Higham 2002, §3.1),
/// the rest what rounding x̃ and ỹ adds. What that leaves open is computed again in float64, so that no result depends on
/// float32 at all.
#[derive(Debug)]
pub(super) struct Centred<'a> {
    pub(super) set: &'a FeatureSet,
    centre: Vec<f64>,
    /// ‖x̃‖ of every row.
    norms: Vec<f64>,
    gamma: f64,
}

impl<'a> Centred<'a> {
    pub(super) fn new(set: &'a FeatureSet, centre: Vec<f64>) -> Self {
        let dim = set.dim() as f64;
        let gamma = dim * UNIT / (1.0 - dim * UNIT);
        let mut centred = Self { set, centre, norms: Vec::new(), gamma };
        centred.norms = (0..set.num_rows()).map(|row| centred.norm_of(row)).collect();
        centred
    }

    /// The centred rows of a block, row-major.
    fn block(&self, rows: Range<usize>) -> Block {
        let dim = self.set.dim();
        let mut values = Vec::with_capacity(rows.len() * dim);
        rows.clone().for_each(|row| values.extend(self.rounded(row)));
        Block { values, num_rows: rows.len(), dim }
    }

    fn norm_of(&self, row: usize) -> f64 {
        self.rounded(row).map(|x| f64::from(x).powi(2)).sum::<f64>().sqrt()
    }

    fn rounded(&self, row: usize) -> impl Iterator<Item = f32> {
        self.set.row(row).iter().zip(&self.centre).map(|(&x, centre)| (f64::from(x) - centre) as f32)
    }
}

/// Mean of every feature.
pub(super) fn centre_of(set: &FeatureSet) -> Vec<f64> {
    let mut centre = vec![0.0; set.dim()];
    for row in 0..set.num_rows() {
        centre.iter_mut().zip(set.row(row)).for_each(|(sum, &x)| *sum += f64::from(x));
    }
    centre.iter_mut().for_each(|sum| *sum /= set.num_rows() as f64);
    centre
}

/// What is known of the distances between two blocks before any is computed in float64.
#[derive(Debug)]
pub(super) struct Tile {
    /// x̃ᵀỹ, [rows, columns], column-major.
    products: Mat<f32>,
    /// ‖x̃‖ and ‖ỹ‖.
    rows: Vec<f64>,
    columns: Vec<f64>,
    /// 2γ.
    product_slack: f64,
}

impl Tile {
    /// The rows of one set against columns that are rows of another, of as many features and about the same centre.
    pub(super) fn new(
        (ours, rows): (&Centred<'_>, &Range<usize>),
        (theirs, columns): (&Centred<'_>, &Range<usize>),
    ) -> Self {
        Self {
            products: ours.block(rows.clone()).times(&theirs.block(columns.clone())),
            rows: ours.norms[rows.clone()].to_vec(),
            columns: theirs.norms[columns.clone()].to_vec(),
            product_slack: 2.0 * ours.gamma,
        }
    }

    /// Shows every pair (row, column) of the tile, with what its ‖x − y‖² lies between; both are NaN where float32 did
    /// not hold the products.
    pub(super) fn each(&self, mut look: impl FnMut(usize, usize, Bounds)) {
        let slack_of = |norm: f64| 5.0 * UNIT * norm * norm + f64::from(f32::MIN_POSITIVE) * ROOM;
        let rows: Vec<[f64; 3]> = self.rows.iter().map(|&norm| [norm * norm, slack_of(norm), norm]).collect();
        for (column, &norm) in self.columns.iter().enumerate() {
            let (squared, slack, product_slack) = (norm * norm, slack_of(norm), self.product_slack * norm);
            let products = self.products.col_as_slice(column);
            for (row, (&[row_squared, row_slack, row_norm], &product)) in
                rows.iter().zip(products).enumerate()
            {
                let known = if product.is_finite() { f64::from(product) } else { f64::NAN };
                let near = row_squared + squared - 2.0 * known;
                let slack = row_slack + slack + product_slack * row_norm;
                look(row, column, Bounds { low: near - slack, high: near + slack });
            }
        }
    }
}

/// What products below float32's smallest normal number can add up to, in those: more than any D.
const ROOM: f64 = 65_536.0;

/// A squared distance lies between these.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) low: f64,
    pub(super) high: f64,
}

impl Bounds {
    /// Unless it certainly is more.
    pub(super) fn may_be_within(&self, limit: f64) -> bool {
        self.low <= limit || self.low.is_nan()
    }
}

/// Some rows, float32 [num_rows, dim] row-major.
#[derive(Debug)]
pub(super) struct Block {
    values: Vec<f32>,
    num_rows: usize,
    dim: usize,
}

impl Block {
    /// This block's rows times the other's: [num_rows, other.num_rows], column-major.
    fn times(&self, other: &Self) -> Mat<f32> {
        let mut products = Mat::zeros(self.num_rows, other.num_rows);
        matmul(products.as_mut(), Accum::Replace, self.matrix(), other.matrix().transpose(), 1.0, Par::Seq);
        products
    }

    fn matrix(&self) -> MatRef<'_, f32> {
        MatRef::from_row_major_slice(&self.values, self.num_rows, self.dim)
    }
}
