//! Why nothing was generated, classed by whose fault it is.

use std::any::Any;

use crate::checkpoint::CheckpointError;
use crate::detector::DetectorError;
use crate::device::is_out_of_memory;
use crate::encoder::EncoderError;
use crate::guidance::PairError;
use crate::net::NetError;
use crate::noise::DrawsError;
use crate::sampler::{SamplerError, Stopped};

#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    #[error("stopped before the images were done")]
    Stopped,
    #[error("the device is out of memory ({0}): choose a smaller micro-batch or a larger device")]
    OutOfMemory(String),
    #[error("libtorch failed: {0}")]
    Torch(String),
    #[error("cannot use the net `{path}`: {source}")]
    Net { path: String, source: NetError },
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(transparent)]
    Pair(#[from] PairError),
    #[error(transparent)]
    Sampler(#[from] SamplerError),
    #[error(transparent)]
    Encoder(#[from] EncoderError),
    #[error(transparent)]
    Detector(DetectorError),
    #[error(transparent)]
    Draws(#[from] DrawsError),
    #[error("the net's file does not say how its output becomes pixels: name an encoder")]
    NoEncoder,
}

impl GenerateError {
    /// True when the nets, the detectors or the options are wrong: no other seed or worker would fare better.
    pub fn is_unfit(&self) -> bool {
        !matches!(self, Self::Stopped | Self::OutOfMemory(_) | Self::Torch(_))
    }

    /// An operator of torch panics with the text of a C++ exception.
    pub(super) fn from_panic(panic: &(dyn Any + Send)) -> Self {
        let text = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("an operator failed");
        let line = text.lines().next().unwrap_or_default().to_owned();
        if is_out_of_memory(text) { Self::OutOfMemory(line) } else { Self::Torch(line) }
    }
}

impl From<DetectorError> for GenerateError {
    fn from(error: DetectorError) -> Self {
        match error {
            DetectorError::ScriptMemory { .. } => Self::OutOfMemory(error.to_string()),
            _ => Self::Detector(error),
        }
    }
}

impl From<Stopped> for GenerateError {
    fn from(_: Stopped) -> Self {
        Self::Stopped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_ran_out_is_nobodys_fault() {
        let script =
            |text: &str| DetectorError::ScriptMemory { path: "own.pt".into(), problem: text.to_owned() };
        for error in [
            GenerateError::from_panic(&"CUDA out of memory. Tried to allocate 2 GiB".to_owned()),
            GenerateError::from_panic(&"DefaultCPUAllocator: can't allocate memory"),
            script("CUDA out of memory").into(),
        ] {
            assert!(matches!(error, GenerateError::OutOfMemory(_)) && !error.is_unfit(), "{error}");
        }
        let other = GenerateError::from(DetectorError::Unknown("x".to_owned()));
        assert!(matches!(other, GenerateError::Detector(_)) && other.is_unfit());
    }
}
