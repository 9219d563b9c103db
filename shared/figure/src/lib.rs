//! Pictures of numbers. A [`Figure`] is a list of marks, rendered as SVG and as PNG; a [`Grid`] gives the contours of a function.

mod canvas;
mod contours;
mod figure;
mod png;
mod svg;

pub use canvas::{Color, Pen, rgb};
pub use contours::{Grid, simplified};
pub use figure::{Anchor, Figure, Mark, Words};
