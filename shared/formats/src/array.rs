//! An array at rest.

use bytes::Bytes;

/// Element type of an [`Array`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dtype {
    F16,
    BF16,
    F32,
    F64,
    U8,
    I32,
    I64,
    Bool,
}

impl Dtype {
    /// NumPy's name, or torch's where NumPy has none.
    pub fn name(self) -> &'static str {
        match self {
            Self::F16 => "float16",
            Self::BF16 => "bfloat16",
            Self::F32 => "float32",
            Self::F64 => "float64",
            Self::U8 => "uint8",
            Self::I32 => "int32",
            Self::I64 => "int64",
            Self::Bool => "bool",
        }
    }

    /// Bytes of one element.
    pub fn size(self) -> usize {
        match self {
            Self::U8 | Self::Bool => 1,
            Self::F16 | Self::BF16 => 2,
            Self::F32 | Self::I32 => 4,
            Self::F64 | Self::I64 => 8,
        }
    }
}

/// Elements in row-major order, little-endian. The bytes may be a part of a larger buffer: cloning copies nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    /// As many as `shape` and `dtype` ask for.
    pub bytes: Bytes,
}

impl Array {
    /// How many elements there are.
    pub fn num_elements(&self) -> usize {
        self.shape.iter().product()
    }
}
