//! What a sweep came to: a table for a terminal, a heat map, curves. Pure functions of its [`Table`].

mod curves;
mod heat;
mod scale;
mod slice;
mod terminal;

use fidelis_contract::sweep::{Row, Table};
use fidelis_figure::{Color, Pen, rgb};

pub use curves::curves;
pub use heat::heat;
pub use terminal::terminal;

use super::text::metric_label;

const INK: Color = rgb(0x1d_1c_1a);
const SOFT: Color = rgb(0x6d6a64);
const GRID: Color = rgb(0xe6_e2_db);
/// Of the best cell; Okabe and Ito's vermilion.
const BEST: Color = rgb(0xd5_5e_00);

/// One that covers.
fn pen(width: f32, color: Color) -> Pen {
    Pen { width, color, alpha: 1.0 }
}

/// `FD (fashion-cnn)`.
fn title(table: &Table) -> String {
    format!("{} ({})", metric_label(&table.metric), table.detector)
}

/// How a cell stands to the best.
fn standing(table: &Table, row: &Row) -> Standing {
    if table.best.as_ref() == Some(&row.run) {
        Standing::Best
    } else if table.not_told_apart.contains(&row.run) {
        Standing::Open
    } else {
        Standing::Behind
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Best,
    /// Not told apart from the best.
    Open,
    Behind,
}

#[cfg(test)]
mod tests;
