//! Arrays at rest to torch tensors.

use fidelis_formats::{Array, Dtype};
use tch::{Kind, TchError, Tensor};

/// The array on the CPU, in its own type.
pub fn tensor(array: &Array) -> Result<Tensor, TchError> {
    let shape: Vec<i64> = array.shape.iter().map(|&n| n as i64).collect();
    Tensor::f_from_data_size(&array.bytes, &shape, kind_of(array.dtype))
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
        assert!(tensor(&array(Dtype::F64, &[2], vec![0; 8])).is_err());
    }
}
