//! Files of other houses, read without trusting them and without running anything in them.
//!
//! Both binaries read them, so nothing here knows a tensor library: what a file holds comes out as an [`Array`], and
//! images ([`images`]) as pixels.

mod array;
pub mod images;

pub use array::{Array, Dtype};
