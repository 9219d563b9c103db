//! Arrays at rest to torch tensors.

use fidelis_formats::{Array, Dtype};
use tch::{Kind, TchError, Tensor};

/// Why an array did not become a tensor. Begins in the middle of a sentence that names it.
#[derive(Debug, thiserror::Error)]
pub enum ArrayError {
    #[error("it has {0} bytes, which is not what its shape and type ask for")]
    Size(usize),
    #[error("libtorch cannot take it: {0}")]
    Torch(#[from] TchError),
}

/// The array on the CPU, in its own type.
pub fn tensor(array: &Array) -> Result<Tensor, ArrayError> {
    // tch reads as many bytes as the shape asks for, whether they are there or not.
    let size = array.shape.iter().try_fold(array.dtype.size(), |size, &n| size.checked_mul(n));
    if size != Some(array.bytes.len()) {
        return Err(ArrayError::Size(array.bytes.len()));
    }
    let shape: Vec<i64> = array.shape.iter().map(|&n| n as i64).collect();
    Ok(Tensor::f_from_data_size(&array.bytes, &shape, kind_of(array.dtype))?)
}

fn kind_of(dtype: Dtype) -> Kind {
    match dtype {
        Dtype::F16 => Kind::Half,
        Dtype::BF16 => Kind::BFloat16,
        Dtype::F32 => Kind::Float,
        Dtype::F64 => Kind::Double,
        Dtype::U8 => Kind::Uint8,
        Dtype::I32 => Kind::Int,
        Dtype::I64 => Kind::Int64,
        Dtype::Bool => Kind::Bool,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_shapes_come_over_and_scalars_and_nothing_too() {
        let array = |dtype, shape: &[usize], bytes: Vec<u8>| Array {
            dtype,
            shape: shape.to_vec(),
            bytes: bytes.into(),
        };
        let floats: Vec<u8> = [1.5_f32, -2.0].iter().flat_map(|v| v.to_le_bytes()).collect();
        let two = tensor(&array(Dtype::F32, &[2, 1], floats)).unwrap();
        assert_eq!((two.size(), two.double_value(&[1, 0])), (vec![2, 1], -2.0));
        let scalar = tensor(&array(Dtype::I64, &[], 7_i64.to_le_bytes().to_vec())).unwrap();
        assert_eq!((scalar.size(), scalar.int64_value(&[])), (vec![], 7));
        assert_eq!(tensor(&array(Dtype::F16, &[0, 3], Vec::new())).unwrap().size(), [0, 3]);
        let short = tensor(&array(Dtype::F64, &[2], vec![0; 8])).unwrap_err().to_string();
        assert!(short.contains("8 bytes"), "{short}");
        assert!(tensor(&array(Dtype::F64, &[usize::MAX, 2], Vec::new())).is_err());
    }
}
