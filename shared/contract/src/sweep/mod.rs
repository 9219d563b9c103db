//! Sweeps: which settings of a base spec are tried ([`axis`], [`grid`]), how a sweep is written down (`draft`) and what it
//! is called ([`SweepSpec`]), and what it comes to ([`table`]).

pub mod axis;
mod draft;
mod ema;
mod error;
pub mod grid;
mod identity;
mod refine;
pub mod table;
mod values;

pub use axis::{Axis, AxisName, AxisValue, Setting};
pub use draft::{Budget, SweepDraft, ordered};
pub use ema::{ema_of, with_ema};
pub use error::SweepError;
pub use grid::{MAX_CELLS, Point, cell, line, points, settings};
pub use identity::{Listed, SCHEMA, SweepSpec};
pub use refine::{Between, around};
pub use table::{Behind, Ending, Row, Table};

#[cfg(test)]
mod tests;
