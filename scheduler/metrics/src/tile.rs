//! What the float32 products of two blocks tell of the distances between their rows.
//!
//! With x̃ the features about the centre, rounded to float32, ‖x − y‖² = ‖x̃‖² + ‖ỹ‖² − 2 x̃ᵀỹ, but for at most
//! 2γ‖x̃‖‖ỹ‖ + 5u(‖x̃‖² + ‖ỹ‖²), γ = Du/(1 − Du), u = 2⁻²⁴: γ bounds a sum of D products in any order (Higham 2002, §3.1),
//! the rest what rounding x̃ and ỹ adds. What that leaves open is computed again in float64, so that no result depends on
//! float32 at all.

use std::ops::Range;

use crate::linalg::{Panels, Wanted, product_within};
use crate::rows::{Block, UNIT};

/// Memory for products, used again from tile to tile.
#[derive(Debug)]
pub(super) struct Products(Panels<f32>);

/// Two blocks and their products.
#[derive(Debug)]
pub(super) struct Tile<'a> {
    rows: &'a Block<'a>,
    columns: &'a Block<'a>,
    /// x̃ᵀỹ, [rows, columns].
    products: &'a Panels<f32>,
}

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

/// What products below float32's smallest normal number can add up to: more than any D of them.
const ROOM: f64 = f32::MIN_POSITIVE as f64 * 65_536.0;
/// Squares up to here and products of two such rows are far from where float32 ends.
const LARGEST: f64 = 1e36;
/// Products of a pack, which are passed over together where none of them matters.
const TOGETHER: usize = 16;

impl Products {
    pub(super) fn new() -> Self {
        Self(Panels::zeros(0, 0))
    }

    /// Rows of one set times columns that are rows of another, of as many features and about the same centre.
    pub(super) fn of<'a>(&'a mut self, rows: &'a Block<'_>, columns: &'a Block<'_>) -> Tile<'a> {
        product_within(&rows.values, &columns.values, Wanted::All, &mut self.0);
        Tile { rows, columns, products: &self.0 }
    }
}

impl Tile<'_> {
    /// Which rows of their sets its first row and column are.
    pub(super) fn firsts(&self) -> [usize; 2] {
        [self.rows.first, self.columns.first]
    }

    /// Shows pairs (row, column) of the tile, with what their ‖x − y‖² lies between; both are NaN where float32 did not hold
    /// the product. Passed over are pairs that are farther apart than `row_limits` has for the row and than `column_limits`
    /// has for the column: most, where these are small. Limits are 0 at the least.
    pub(super) fn near(
        &self,
        row_limits: &[f64],
        column_limits: &[f64],
        mut look: impl FnMut(usize, usize, Bounds),
    ) {
        let Self { rows, columns, products } = self;
        let slack = Slack::of(rows.values.columns());
        let is_safe = [rows, columns].iter().all(|of| of.squares.iter().all(|square| *square < LARGEST));
        let of_rows = slack.halves(rows, row_limits, is_safe);
        let of_columns = slack.halves(columns, column_limits, is_safe);
        for panel in 0..products.count() {
            let group = panel * TOGETHER..products.rows().min((panel + 1) * TOGETHER);
            let of_group = of_rows.part(group.clone());
            for (column, of_column) in of_columns.each().enumerate() {
                let products = &products.panel(panel)[column][..group.len()];
                if are_far(products, of_group, of_column) {
                    continue;
                }
                for (row, &product) in group.clone().zip(products) {
                    if !is_far(product, of_rows.of(row), of_column) {
                        look(row, column, slack.bounds(rows.squares[row], columns.squares[column], product));
                    }
                }
            }
        }
    }
}

/// Of rows or columns, half of what the square of each is at the least: `[without its limit, less its limit]`. A product
/// below the sum of a row's and a column's, one of them less its limit, is of a pair that is farther apart than that limit:
/// they are rounded down by more than what adding them rounds.
#[derive(Debug)]
struct Halves([Vec<f32>; 2]);

impl Halves {
    fn of(&self, row: usize) -> [f32; 2] {
        self.0.each_ref().map(|halves| halves[row])
    }

    fn each(&self) -> impl Iterator<Item = [f32; 2]> {
        (0..self.0[0].len()).map(|row| self.of(row))
    }

    fn part(&self, rows: Range<usize>) -> [&[f32]; 2] {
        self.0.each_ref().map(|halves| &halves[rows.clone()])
    }
}

/// Farther than both limits. No product that float32 did not hold is.
fn is_far(product: f32, [row, row_less]: [f32; 2], [column, column_less]: [f32; 2]) -> bool {
    (product < row_less + column) & (product < row + column_less)
}

fn are_far(products: &[f32], [rows, rows_less]: [&[f32]; 2], column: [f32; 2]) -> bool {
    let mut are_far = true;
    for ((&product, &row), &row_less) in products.iter().zip(rows).zip(rows_less) {
        are_far &= is_far(product, [row, row_less], column);
    }
    are_far
}

/// How far off the products of D numbers are.
struct Slack {
    gamma: f64,
}

impl Slack {
    fn of(dim: usize) -> Self {
        let sum = dim as f64 * UNIT;
        Self { gamma: sum / (1.0 - sum) }
    }

    fn bounds(&self, row: f64, column: f64, product: f32) -> Bounds {
        let known = if product.is_finite() { f64::from(product) } else { f64::NAN };
        let near = row + column - 2.0 * known;
        let slack = 5.0 * UNIT * (row + column) + 2.0 * self.gamma * (row * column).sqrt() + 2.0 * ROOM;
        Bounds { low: near - slack, high: near + slack }
    }

    /// 2‖x̃‖‖ỹ‖ is at most ‖x̃‖² + ‖ỹ‖², so each has its own share of the slack.
    fn halves(&self, block: &Block<'_>, limits: &[f64], is_safe: bool) -> Halves {
        let down = |value: f64, of: f64| (value - 4.0 * UNIT * of) as f32;
        let whole = |square: f64| (square * (1.0 - 5.0 * UNIT - self.gamma) - ROOM) / 2.0;
        let less = |(&square, &limit): (&f64, &f64)| match is_safe && limit < f64::INFINITY {
            true => down(whole(square) - limit / 2.0, square + limit),
            false => f32::NEG_INFINITY,
        };
        Halves([
            block.squares.iter().map(|&square| down(whole(square), square)).collect(),
            block.squares.iter().zip(limits).map(less).collect(),
        ])
    }
}
