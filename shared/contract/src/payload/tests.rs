use super::*;
use crate::kind::Kind;
use proptest::prelude::*;

fn features() -> Kind {
    "features-fashion-cnn".parse().unwrap()
}

fn small_object() -> ChunkObject {
    let data = Tensor::from_f32("features", &[2, 1], &[1.5, -2.0]);
    ChunkObject { seeds: vec![7, 8], labels: vec![3, NO_LABEL], data }
}

/// I2 rests on these bytes: a change here changes every digest of every stored run.
#[test]
fn pinned_bytes_of_one_object() {
    let bytes = small_object().encode(&features()).unwrap();
    let header = concat!(
        r#"{"labels":{"dtype":"I64","shape":[2],"data_offsets":[0,16]},"#,
        r#""seeds":{"dtype":"I64","shape":[2],"data_offsets":[16,32]},"#,
        r#""features":{"dtype":"F32","shape":[2,1],"data_offsets":[32,40]}}"#
    );
    let header = format!("{header:<width$}", width = header.len().next_multiple_of(8));
    let mut expected = (header.len() as u64).to_le_bytes().to_vec();
    expected.extend_from_slice(header.as_bytes());
    [3, -1, 7, 8].iter().for_each(|value: &i64| expected.extend_from_slice(&value.to_le_bytes()));
    [1.5, -2.0].iter().for_each(|value: &f32| expected.extend_from_slice(&value.to_le_bytes()));
    assert_eq!(String::from_utf8_lossy(&bytes), String::from_utf8_lossy(&expected));
    assert_eq!(bytes, expected);
}

#[test]
fn objects_that_do_not_fit_their_kind_are_refused() {
    let kind = features();
    let broken = |change: fn(&mut ChunkObject)| {
        let mut object = small_object();
        change(&mut object);
        object.encode(&kind).unwrap_err().to_string()
    };
    let cases = [
        broken(|o| o.seeds.push(9)),
        broken(|o| o.labels.truncate(1)),
        broken(|o| o.data.name = "latents".into()),
        broken(|o| o.data = Tensor::from_f64("features", &[2, 1], &[0.0; 2])),
        broken(|o| o.data.data.truncate(7)),
        broken(|o| o.seeds[0] = 1 << 63),
    ];
    let expected = [
        "tensor `features` has shape [2, 1] where 2 dimensions, the first of 3 (one row a seed), was expected",
        "tensor `labels` has shape [1] where [2] was expected",
        "the object has no tensor `features`; it holds [\"latents\"]",
        "tensor `features` is `f64` where `f32` was expected",
        "tensor `features` has 7 bytes of data where shape [2, 1] of `f32` needs 8",
        "seed `9223372036854775808` cannot be stored: seeds go from 0 to 9223372036854775807",
    ];
    assert_eq!(cases, expected);
}

#[test]
fn another_kind_and_damage_are_refused() {
    let bytes = small_object().encode(&features()).unwrap();
    assert!(matches!(ChunkObject::decode(&Kind::Latents, &bytes), Err(PayloadError::Missing { .. })));
    assert!(matches!(decode(&bytes[..bytes.len() - 1]), Err(PayloadError::Format(_))));
    assert!(matches!(decode(b"PK"), Err(PayloadError::Format(_))));
}

#[test]
fn equal_names_and_foreign_dtypes_are_refused() {
    let tensor = Tensor::from_u8("a", &[1], vec![1]);
    assert!(matches!(encode(&[tensor.clone(), tensor]), Err(PayloadError::Duplicate { .. })));
    let mut bytes = encode(&[Tensor::from_f64("a", &[], &[1.0])]).unwrap();
    let at = bytes.windows(3).position(|window| window == b"F64").unwrap();
    bytes[at..at + 3].copy_from_slice(b"U64");
    let error = decode(&bytes).unwrap_err();
    assert_eq!(error.to_string(), "tensor `a` has dtype `u64`: expected one of f32, f64, u8, i64");
}

fn arbitrary_tensor() -> impl Strategy<Value = Tensor> {
    let dtype = prop::sample::select(vec![Dtype::F32, Dtype::F64, Dtype::U8, Dtype::I64]);
    let shape = prop::collection::vec(0_usize..4, 0..4);
    ("[a-z]{1,8}", dtype, shape).prop_flat_map(|(name, dtype, shape)| {
        let num_bytes = shape.iter().product::<usize>() * dtype.num_bytes();
        prop::collection::vec(any::<u8>(), num_bytes).prop_map(move |data| Tensor {
            name: name.clone(),
            dtype,
            shape: shape.clone(),
            data,
        })
    })
}

proptest! {
    #[test]
    fn tensors_come_back_and_order_does_not_matter(tensors in prop::collection::vec(arbitrary_tensor(), 0..5)) {
        let mut tensors = tensors;
        tensors.sort_by(|a, b| a.name.cmp(&b.name));
        tensors.dedup_by(|a, b| a.name == b.name);
        let bytes = encode(&tensors).unwrap();
        prop_assert_eq!(&decode(&bytes).unwrap(), &tensors);
        tensors.reverse();
        prop_assert_eq!(encode(&tensors).unwrap(), bytes);
    }

    #[test]
    fn values_come_back(floats in prop::collection::vec(any::<f32>(), 0..9), ints in prop::collection::vec(any::<i64>(), 0..9)) {
        let back = Tensor::from_f32("x", &[floats.len()], &floats).to_f32().unwrap();
        prop_assert!(back.iter().zip(&floats).all(|(a, b)| a.to_bits() == b.to_bits()) && back.len() == floats.len());
        prop_assert_eq!(Tensor::from_i64("x", &[ints.len()], &ints).to_i64().unwrap(), ints);
    }

    #[test]
    fn no_bytes_make_decode_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), flip in any::<prop::sample::Index>()) {
        let _ = decode(&bytes);
        let mut valid = small_object().encode(&features()).unwrap();
        let at = flip.index(valid.len());
        valid[at] ^= 0x11;
        let _ = ChunkObject::decode(&features(), &valid);
    }
}
