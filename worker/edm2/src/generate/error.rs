//! Why nothing was generated, classed by whose fault it is.

use std::any::Any;

use fidelis_contract::outcome::{Class, Outcome};
use fidelis_formats::net::Mismatch;

use crate::checkpoint::CheckpointError;
use crate::detector::DetectorError;
use crate::device::{is_lost, is_out_of_memory};
use crate::encoder::EncoderError;
use crate::net::NetError;
use crate::noise::DrawsError;
use crate::sampler::Stopped;

#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    #[error("stopped before the images were done")]
    Stopped,
    #[error("the device is out of memory ({0}): choose a smaller micro-batch or a larger device")]
    OutOfMemory(String),
    #[error("the device failed, and this process can use it no more: {0}")]
    Device(String),
    #[error("libtorch failed: {0}")]
    Torch(String),
    #[error("cannot use the net `{path}`: {source}")]
    Net { path: String, source: NetError },
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(transparent)]
    Pair(#[from] Mismatch),
    #[error(transparent)]
    Encoder(#[from] EncoderError),
    #[error(transparent)]
    Detector(DetectorError),
    #[error(transparent)]
    Draws(#[from] DrawsError),
    #[error("the net's file does not say how its output becomes pixels: name an encoder")]
    NoEncoder,
}

impl Outcome for GenerateError {
    fn class(&self) -> Class {
        match self {
            Self::OutOfMemory(_) | Self::Device(_) => Class::Environment,
            _ => Class::Usage,
        }
    }
}

impl GenerateError {
    /// True when the nets, the detectors or the options are wrong: no other seed or worker would fare better.
    pub fn is_unfit(&self) -> bool {
        !matches!(self, Self::Stopped | Self::OutOfMemory(_) | Self::Device(_) | Self::Torch(_))
    }

    /// An operator of torch panics with the text of a C++ exception.
    pub fn from_panic(panic: &(dyn Any + Send)) -> Self {
        let text = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("an operator failed");
        let line = text.lines().next().unwrap_or_default().to_owned();
        // Out of memory comes first: CUDA calls it an error too, but the context survives it.
        if is_out_of_memory(text) {
            Self::OutOfMemory(line)
        } else if is_lost(text) {
            Self::Device(line)
        } else {
            Self::Torch(line)
        }
    }
}

impl From<DetectorError> for GenerateError {
    fn from(error: DetectorError) -> Self {
        match error {
            DetectorError::ScriptMemory { .. } => Self::OutOfMemory(error.to_string()),
            DetectorError::ScriptDevice { .. } => Self::Device(error.to_string()),
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
    fn a_script_that_runs_out_of_memory_or_loses_the_device_is_nobodys_fault() {
        let script =
            DetectorError::ScriptMemory { path: "own.pt".into(), problem: "CUDA out of memory".into() };
        let error = GenerateError::from(script);
        assert!(matches!(error, GenerateError::OutOfMemory(_)) && !error.is_unfit(), "{error}");
        let lost = DetectorError::ScriptDevice { path: "own.pt".into(), problem: "CUDA error".into() };
        assert!(matches!(GenerateError::from(lost), GenerateError::Device(_)));
        let other = GenerateError::from(DetectorError::Unknown("x".to_owned()));
        assert!(matches!(other, GenerateError::Detector(_)) && other.is_unfit());
    }

    fn class(text: &str) -> &'static str {
        match GenerateError::from_panic(&text.to_owned()) {
            GenerateError::OutOfMemory(_) => "memory",
            GenerateError::Device(_) => "device",
            GenerateError::Torch(_) => "chunk",
            _ => "?",
        }
    }

    /// I8: what becomes of a chunk hangs on these words.
    #[test]
    fn what_torch_says_is_classed() {
        for (text, expected) in [
            (
                "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 23.6 GiB",
                "memory",
            ),
            ("CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported", "memory"),
            (
                "[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory: you tried",
                "memory",
            ),
            ("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`", "memory"),
            ("CUDA error: device-side assert triggered", "device"),
            ("CUDA error: an illegal memory access was encountered", "device"),
            ("CUDA error: unspecified launch failure", "device"),
            ("CUDA error: CUBLAS_STATUS_INTERNAL_ERROR when calling `cublasSgemm`", "device"),
            ("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR", "device"),
            ("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasGemmEx`", "device"),
            ("The size of tensor a (8) must match the size of tensor b (7)", "chunk"),
            ("index 10 is out of bounds for dimension 0 with size 10", "chunk"),
        ] {
            assert_eq!(class(text), expected, "{text}");
        }
    }

    #[test]
    fn one_line_is_kept() {
        let error = GenerateError::from_panic(&"CUDA error: out of memory\nmore");
        assert_eq!(
            error.to_string(),
            "the device is out of memory (CUDA error: out of memory): choose a smaller micro-batch or a larger device"
        );
        assert!(!error.is_unfit());
    }
}
