use crate::outcome::{Class, Outcome};

/// Why tensors could not be written to, or read from, an object's bytes.
#[derive(Debug, thiserror::Error)]
pub enum PayloadError {
    #[error("not a readable safetensors object: {0}; it is damaged or of another kind")]
    Format(#[from] safetensors::SafeTensorError),
    #[error(
        "tensor `{name}` has {num_bytes} bytes of data where shape {shape:?} of `{dtype}` needs {expected}"
    )]
    Size { name: String, dtype: super::Dtype, shape: Vec<usize>, num_bytes: usize, expected: usize },
    #[error("tensor `{name}` comes twice: names in one object must differ")]
    Duplicate { name: String },
    #[error("tensor `{name}` has dtype `{dtype}`: expected one of f32, f64, u8, i64")]
    Unsupported { name: String, dtype: String },
    #[error("tensor `{name}` is `{actual}` where `{expected}` was expected")]
    Dtype { name: String, expected: super::Dtype, actual: super::Dtype },
    #[error("the object has no tensor `{name}`; it holds {present:?}")]
    Missing { name: String, present: Vec<String> },
    #[error("tensor `{name}` has shape {shape:?} where {expected} was expected")]
    Shape { name: String, shape: Vec<usize>, expected: String },
    #[error("seed `{seed}` cannot be stored: seeds go from 0 to 9223372036854775807")]
    Seed { seed: String },
}

impl Outcome for PayloadError {
    fn class(&self) -> Class {
        // Stored bytes that do not read.
        Class::Integrity
    }
}
