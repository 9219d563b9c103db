//! Features from outside: what is read, what is refused.

use std::path::{Path, PathBuf};

use fidelis::formats::FeatureFile;
use fidelis_metrics::RowNames;
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
        assert!(error.starts_with("damaged or not a file of features: "), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }
    let path = write_features(folder.path(), &[("latents", Dtype::F32, vec![4, 3], f32_bytes([0.0; 12]))]);
    assert!(FeatureFile::open(&path).unwrap_err().to_string().starts_with("holds no `features`: "));
    let path = write_features(folder.path(), &[("features", Dtype::F32, vec![12], f32_bytes([0.0; 12]))]);
    assert!(FeatureFile::open(&path).unwrap_err().to_string().contains("not floats [N, D]"));
}

/// The same features, [3, 2], in every way to keep them.
#[test]
fn every_kind_of_float_and_file_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let values = [0.5_f64, -1.0, 2.0, 0.25, -8.0, 65504.0];
    let halves: Vec<u8> =
        [0x3800_u16, 0xbc00, 0x4000, 0x3400, 0xc800, 0x7bff].iter().flat_map(|b| b.to_le_bytes()).collect();
    let singles: Vec<u8> = values.iter().flat_map(|&x| (x as f32).to_le_bytes()).collect();
    let doubles: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
    let by_columns: Vec<u8> =
        [0, 2, 4, 1, 3, 5].iter().flat_map(|&k: &usize| values[k].to_le_bytes()).collect();
    let npy = |descr: &str, fortran: &str, shape: &str, data: &[u8]| {
        let dict = format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}");
        [&b"\x93NUMPY\x01\x00\x76\x00"[..], format!("{dict:<117}\n").as_bytes(), data].concat()
    };
    let tensor = |dtype, shape: &[usize], data: &[u8]| {
        let path = write_features(folder.path(), &[("features", dtype, shape.to_vec(), data.to_vec())]);
        std::fs::read(path).unwrap()
    };
    let zipped = |entries: &[(&str, &[u8])], method| {
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        for (name, bytes) in entries {
            zip.start_file(*name, zip::write::SimpleFileOptions::default().compression_method(method))
                .unwrap();
            std::io::Write::write_all(&mut zip, bytes).unwrap();
        }
        zip.finish().unwrap().into_inner()
    };
    let (stored, deflated) = (zip::CompressionMethod::Stored, zip::CompressionMethod::Deflated);
    let plain = npy("<f8", "False", "(3, 2)", &doubles);
    let fortran = npy("<f8", "True", "(3, 2)", &by_columns);
    let name = npy(
        "<U6",
        "False",
        "()",
        &"dinov2".chars().flat_map(|c| u32::from(c).to_le_bytes()).collect::<Vec<_>>(),
    );
    let files = [
        tensor(Dtype::F16, &[3, 2], &halves),
        tensor(Dtype::F32, &[3, 2, 1, 1], &singles),
        tensor(Dtype::F64, &[3, 2], &doubles),
        npy("<f2", "False", "(3, 2)", &halves),
        npy("<f4", "False", "(3, 2, 1, 1)", &singles),
        plain.clone(),
        fortran.clone(),
        zipped(&[("arr_0.npy", &plain)], stored),
        zipped(&[("arr_0.npy", &fortran)], stored),
        zipped(&[("anything.npy", &plain)], deflated),
        zipped(&[("features.npy", &fortran), ("other.npy", &plain), ("detector.npy", &name)], deflated),
    ];
    for (i, bytes) in files.iter().enumerate() {
        // The name says nothing.
        let path = folder.path().join(format!("{i}.DAT"));
        std::fs::write(&path, bytes).unwrap();
        let mut file = FeatureFile::open(&path).unwrap_or_else(|error| panic!("{i}: {error}"));
        assert_eq!((file.num_rows(), file.dim()), (3, 2), "{i}");
        assert_eq!(file.rows(0, 3).unwrap().values, values, "{i}");
        assert_eq!(file.rows(1, 1).unwrap().values, values[2..4], "{i}");
        assert_eq!(file.detector(), (i == files.len() - 1).then_some("dinov2"), "{i}");
    }
    let refused = |bytes: &[u8]| {
        let path = folder.path().join("refused");
        std::fs::write(&path, bytes).unwrap();
        FeatureFile::open(&path).unwrap_err().to_string()
    };
    for (bytes, words) in [
        (npy(">f4", "False", "(3, 2)", &singles), "is big-endian (>f4)"),
        (npy("<i8", "False", "(3, 2)", &doubles), "<i8 [3, 2], not floats"),
        (npy("|u1", "False", "(1, 2, 1, 3)", &[0; 6]), "these are images"),
        (npy("<f8", "False", "(3, 3)", &doubles), "not the `72` bytes"),
        (npy("<f8", "True", "(3, 1)", &doubles), "not the `24` bytes"),
        (zipped(&[("a.npy", &plain), ("b.npy", &plain)], stored), "`a`, `b` in it"),
        (zipped(&[("a.txt", b"x")], stored), "without an array"),
        (zipped(&[("a.npy", &plain[..140])], stored), "not the `48` bytes"),
        (zipped(&[("a.npy", &plain[..140])], deflated), "not the `48` bytes"),
        (tensor(Dtype::I64, &[3, 2], &doubles), "I64 [3, 2], not floats"),
        (b"version https://git-lfs.github.com/spec/v1\n".to_vec(), "is a Git LFS pointer, not features"),
    ] {
        let error = refused(&bytes);
        assert!(error.contains(words) && !error.contains('\n'), "`{words}` is not in: {error}");
    }
}
