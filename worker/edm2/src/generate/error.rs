//! Why nothing was generated, classed by whose fault it is.

use std::any::Any;

use crate::checkpoint::CheckpointError;
use crate::detector::DetectorError;
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
    Detector(#[from] DetectorError),
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
        let lower = text.to_lowercase();
        if lower.contains("out of memory") || lower.contains("can't allocate memory") {
            Self::OutOfMemory(line)
        } else {
            Self::Torch(line)
        }
    }
}

impl From<Stopped> for GenerateError {
    fn from(_: Stopped) -> Self {
        Self::Stopped
    }
}
