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

impl Dtype {
    /// Elements of a floating-point type as float64, which holds all of them exactly; `None` for the others.
    pub fn floats(self, bytes: &[u8]) -> Option<Vec<f64>> {
        self.floats_within(bytes, Vec::new())
    }

    /// The same in memory that nobody needs any more.
    pub(crate) fn floats_within(self, bytes: &[u8], mut values: Vec<f64>) -> Option<Vec<f64>> {
        values.clear();
        match self {
            Self::F16 => values.extend(bytes.as_chunks().0.iter().map(|&b| half(u16::from_le_bytes(b)))),
            Self::BF16 => {
                let widened =
                    |&b: &[u8; 2]| f64::from(f32::from_bits(u32::from(u16::from_le_bytes(b)) << 16));
                values.extend(bytes.as_chunks().0.iter().map(widened));
            }
            Self::F32 => {
                values.extend(bytes.as_chunks().0.iter().map(|&b| f64::from(f32::from_le_bytes(b))));
            }
            Self::F64 => values.extend(bytes.as_chunks().0.iter().map(|&b| f64::from_le_bytes(b))),
            _ => return None,
        }
        Some(values)
    }
}

/// The value of an IEEE half.
pub(crate) fn half(bits: u16) -> f64 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
    let magnitude = match exponent {
        0 => fraction * 2_f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1024.0 + fraction) * 2_f64.powi(exponent - 25),
    };
    if bits >> 15 == 1 { -magnitude } else { magnitude }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_their_values() {
        let cases =
            [(0x0000, 0.0), (0x3c00, 1.0), (0xc000, -2.0), (0x7bff, 65504.0), (0x0001, 2_f64.powi(-24))];
        for (bits, value) in cases {
            assert_eq!(half(bits), value, "{bits:#x}");
        }
        assert_eq!((half(0xfc00), half(0x7c00)), (f64::NEG_INFINITY, f64::INFINITY));
        assert!(half(0x7e00).is_nan());
        assert_eq!(half(0x3555), 0.333_251_953_125);
        assert_eq!(Dtype::BF16.floats(&[0x80, 0x3f, 0x20, 0xc0]), Some(vec![1.0, -2.5]));
        assert_eq!(Dtype::I32.floats(&[0; 4]), None);
    }
}
