//! A detector's weights from a file.

use std::path::Path;

use fidelis_formats::state_dict;

use super::DetectorError;
use crate::checkpoint;
use crate::net::StateDict;

/// Reads a state dict, `.pth` or `.safetensors`, in the file's types, on the CPU. Runs nothing in it.
pub fn read(path: &Path, detector: &str) -> Result<StateDict, DetectorError> {
    let tensor = |(name, array)| match checkpoint::tensor(&array) {
        Ok(tensor) => Ok((name, tensor)),
        Err(error) => Err(DetectorError::Weights {
            path: path.to_owned(),
            detector: detector.to_owned(),
            problem: format!("of the tensor `{name}`, {error}"),
        }),
    };
    state_dict::read(path)?.into_iter().map(tensor).collect()
}
