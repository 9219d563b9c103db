use std::fmt;

use serde::{Deserialize, Serialize};

use super::PayloadError;

/// The element types that our objects hold. Written in lower case: `f32`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    F32,
    F64,
    U8,
    I64,
}

impl Dtype {
    /// Bytes of one element.
    pub const fn num_bytes(self) -> usize {
        match self {
            Dtype::U8 => 1,
            Dtype::F32 => 4,
            Dtype::F64 | Dtype::I64 => 8,
        }
    }

    pub(super) fn from_safetensors(name: &str, dtype: safetensors::Dtype) -> Result<Self, PayloadError> {
        match dtype {
            safetensors::Dtype::F32 => Ok(Dtype::F32),
            safetensors::Dtype::F64 => Ok(Dtype::F64),
            safetensors::Dtype::U8 => Ok(Dtype::U8),
            safetensors::Dtype::I64 => Ok(Dtype::I64),
            other => Err(PayloadError::Unsupported {
                name: name.to_owned(),
                dtype: format!("{other:?}").to_lowercase(),
            }),
        }
    }
}

impl From<Dtype> for safetensors::Dtype {
    fn from(dtype: Dtype) -> Self {
        match dtype {
            Dtype::F32 => safetensors::Dtype::F32,
            Dtype::F64 => safetensors::Dtype::F64,
            Dtype::U8 => safetensors::Dtype::U8,
            Dtype::I64 => safetensors::Dtype::I64,
        }
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Dtype::F32 => "f32",
            Dtype::F64 => "f64",
            Dtype::U8 => "u8",
            Dtype::I64 => "i64",
        })
    }
}

/// A named, dense, row-major array; `data` is little-endian.
#[derive(Clone, PartialEq, Eq)]
pub struct Tensor {
    pub name: String,
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    pub data: Vec<u8>,
}

/// Everything but the data, which may be hundreds of megabytes.
impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tensor(`{}` {} {:?})", self.name, self.dtype, self.shape)
    }
}

macro_rules! conversions {
    ($from:ident, $to:ident, $type:ty, $dtype:expr) => {
        #[doc = concat!("A tensor of `", stringify!($type), "` values in row-major order.")]
        pub fn $from(name: impl Into<String>, shape: &[usize], values: &[$type]) -> Self {
            let mut data = Vec::with_capacity(size_of_val(values));
            values.iter().for_each(|value| data.extend_from_slice(&value.to_le_bytes()));
            Tensor { name: name.into(), dtype: $dtype, shape: shape.to_vec(), data }
        }

        #[doc = concat!("The `", stringify!($type), "` values in row-major order.")]
        ///
        /// # Errors
        /// When the tensor has another dtype, or its data does not fit its shape.
        pub fn $to(&self) -> Result<Vec<$type>, PayloadError> {
            self.expect($dtype)?;
            let (values, _) = self.data.as_chunks::<{ size_of::<$type>() }>();
            Ok(values.iter().map(|bytes| <$type>::from_le_bytes(*bytes)).collect())
        }
    };
}

impl Tensor {
    conversions!(from_f32, to_f32, f32, Dtype::F32);
    conversions!(from_f64, to_f64, f64, Dtype::F64);
    conversions!(from_i64, to_i64, i64, Dtype::I64);

    /// A tensor of `u8` values in row-major order.
    pub fn from_u8(name: impl Into<String>, shape: &[usize], values: Vec<u8>) -> Self {
        Tensor { name: name.into(), dtype: Dtype::U8, shape: shape.to_vec(), data: values }
    }

    /// The `u8` values in row-major order.
    ///
    /// # Errors
    /// When the tensor has another dtype, or its data does not fit its shape.
    pub fn as_u8(&self) -> Result<&[u8], PayloadError> {
        self.expect(Dtype::U8)?;
        Ok(&self.data)
    }

    /// Whether the data fits the shape.
    ///
    /// # Errors
    /// [`PayloadError::Size`] when it does not.
    pub fn check(&self) -> Result<(), PayloadError> {
        let expected = self.shape.iter().try_fold(self.dtype.num_bytes(), |n, dim| n.checked_mul(*dim));
        if expected == Some(self.data.len()) {
            return Ok(());
        }
        Err(PayloadError::Size {
            name: self.name.clone(),
            dtype: self.dtype,
            shape: self.shape.clone(),
            num_bytes: self.data.len(),
            expected: expected.unwrap_or(usize::MAX),
        })
    }

    fn expect(&self, expected: Dtype) -> Result<(), PayloadError> {
        if self.dtype != expected {
            return Err(PayloadError::Dtype { name: self.name.clone(), expected, actual: self.dtype });
        }
        self.check()
    }
}
