//! Files of other houses, read without trusting them and without running anything in them.
//!
//! Both binaries read them, so nothing here knows a tensor library: what a file holds comes out as an [`Array`], and
//! images ([`images`]) as pixels.
//!
//! - [`pickle`]: a pickle machine that runs nothing
//! - [`torch_file`], [`state_dict`], [`tensors`]: tensors by name, as torch and safetensors files keep them
//! - [`net`]: nets, and whether two of them fit
//! - [`stats`]: statistics of features
//! - [`features`]: features, a few rows at a time
//! - [`content`]: any of these, and [`sniff`]: what it is if it is none
//! - [`images`][]: datasets
//! - [`tree`]: the files below a folder
//! - [`atomic`]: what is written is there whole or not at all

mod array;
pub mod atomic;
pub mod content;
mod error;
pub mod features;
mod file;
pub mod images;
pub mod net;
mod npy;
pub mod pickle;
pub mod sniff;
pub mod state_dict;
pub mod stats;
pub mod tensors;
mod text;
pub mod torch_file;
pub mod tree;

pub use array::{Array, Dtype};
pub use error::{FileError, FormatError};
pub use state_dict::StateDict;
