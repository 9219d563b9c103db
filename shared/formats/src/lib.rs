//! Files of other houses, read without trusting them and without running anything in them.
//!
//! Both binaries read them, so nothing here knows a tensor library: what a file holds comes out as an [`Array`].

mod array;

pub use array::{Array, Dtype};
