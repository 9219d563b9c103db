//! A detector's weights from a file.

use std::path::Path;

use crate::checkpoint::{TensorFile, TensorFileError};
use crate::net::StateDict;

/// Reads a state dict, in the file's types, on the CPU.
pub fn read(path: &Path) -> Result<StateDict, TensorFileError> {
    Ok(TensorFile::read(path)?.tensors)
}
