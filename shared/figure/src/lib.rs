//! Pictures of numbers. A [`Figure`] is a list of marks, rendered as SVG and as PNG; a [`Canvas`] is pixels to draw on.

pub mod canvas;
mod figure;
mod png;
mod svg;

pub use canvas::{Canvas, Color, Pen, rgb};
pub use figure::{Anchor, Figure, Mark, Words};
