//! Features from outside: what is read, what is refused.

use std::path::{Path, PathBuf};

use fidelis::formats::FeatureFile;
use fidelis::metrics::RowNames;
use safetensors::tensor::{Dtype, TensorView, serialize};

fn write_features(folder: &Path, tensors: &[(&str, Dtype, Vec<usize>, Vec<u8>)]) -> PathBuf {
    let views = tensors.iter().map(|(name, dtype, shape, data)| {
        (name.to_string(), TensorView::new(*dtype, shape.clone(), data).unwrap())
    });
    let path = folder.join("features.safetensors");
    std::fs::write(&path, serialize(views, None).unwrap()).unwrap();
    path
}

fn f32_bytes(values: impl IntoIterator<Item = f32>) -> Vec<u8> {
    values.into_iter().flat_map(f32::to_le_bytes).collect()
}

#[test]
fn features_are_read_by_rows() {
    let folder = tempfile::tempdir().unwrap();
    let data = f32_bytes((0..12).map(|x| x as f32));
    let seeds: Vec<u8> = [7_i64, 8, 9, 11].iter().flat_map(|s| s.to_le_bytes()).collect();
    let features = ("features", Dtype::F32, vec![4, 3], data);
    let path = write_features(folder.path(), &[features.clone(), ("seeds", Dtype::I64, vec![4], seeds)]);
    let mut file = FeatureFile::open(&path).unwrap();
    assert_eq!((file.num_rows(), file.dim()), (4, 3));
    let chunk = file.rows(2, 10).unwrap();
    assert_eq!(chunk.values, [6.0, 7.0, 8.0, 9.0, 10.0, 11.0]);
    assert_eq!(chunk.names, RowNames::Seeds(vec![9, 11]));

    let path = write_features(folder.path(), &[features]);
    assert_eq!(FeatureFile::open(&path).unwrap().rows(1, 1).unwrap().names, RowNames::From(1));
}

#[test]
fn damaged_features_are_one_clear_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = write_features(folder.path(), &[("features", Dtype::F32, vec![4, 3], f32_bytes([0.0; 12]))]);
    let whole = std::fs::read(&path).unwrap();
    let mut absurd = whole.clone();
    absurd[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    let cut = (0..whole.len()).map(|length| whole[..length].to_vec());
    for bytes in cut.chain([absurd]) {
        std::fs::write(&path, bytes).unwrap();
        let error = FeatureFile::open(&path).unwrap_err().to_string();
        assert!(error.starts_with("damaged or not a features `.safetensors`: "), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }
    let path = write_features(folder.path(), &[("latents", Dtype::F32, vec![4, 3], f32_bytes([0.0; 12]))]);
    assert!(FeatureFile::open(&path).unwrap_err().to_string().starts_with("holds no `features`: "));
    let path = write_features(folder.path(), &[("features", Dtype::F32, vec![12], f32_bytes([0.0; 12]))]);
    assert!(FeatureFile::open(&path).unwrap_err().to_string().contains("not F32 [N, D]"));
}
