//! Why a detector could not be loaded or used.

use std::path::PathBuf;

use fidelis_formats::FileError;

use fidelis_contract::detectors::known;

#[derive(Debug, thiserror::Error)]
pub enum DetectorError {
    #[error(
        "`{0}` is no detector that is known here: expected `{known}`, or a TorchScript file (.pt) as the weights",
        known = known()
    )]
    Unknown(String),
    #[error(transparent)]
    File(#[from] FileError),
    #[error("`{path}` does not hold the weights of `{detector}`: {problem}")]
    Weights { path: PathBuf, detector: String, problem: String },
    #[error("the detector `{detector}` takes {expected}, not images of shape {found:?}")]
    Images { detector: &'static str, expected: &'static str, found: Vec<i64> },
    #[error("the TorchScript file `{path}` cannot be loaded: {problem}")]
    ScriptFile { path: PathBuf, problem: String },
    #[error(
        "the TorchScript file `{path}` is no detector: {problem}; it must map uint8 [N, C, H, W] to float [N, D]"
    )]
    Script { path: PathBuf, problem: String },
    #[error("the TorchScript file `{path}` ran out of memory: {problem}")]
    ScriptMemory { path: PathBuf, problem: String },
    #[error("the TorchScript file `{path}` lost the device: {problem}")]
    ScriptDevice { path: PathBuf, problem: String },
}
