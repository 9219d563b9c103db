//! `fidelis metrics` and `fidelis ref`, but for the command line.

use std::path::{Path, PathBuf};

use fidelis::evaluate::{MetricsRequest, load, metrics, write_reference};
use safetensors::SafeTensors;
use safetensors::tensor::{TensorView, serialize};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures").join(name)
}

/// One of the fixture's feature sets as a features file.
fn features(folder: &Path, name: &str) -> PathBuf {
    let bytes = std::fs::read(fixture("features.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let tensor = tensors.tensor(name).unwrap();
    let view = TensorView::new(tensor.dtype(), tensor.shape().to_vec(), tensor.data()).unwrap();
    let path = folder.join(format!("{name}.safetensors"));
    std::fs::write(&path, serialize([("features", view)], None).unwrap()).unwrap();
    path
}

fn request(features: PathBuf, reference: PathBuf) -> MetricsRequest {
    MetricsRequest { features, reference, detector: None, metrics: vec!["fid".into()] }
}

#[test]
fn files_of_either_kind_on_either_side() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, theirs) = (features(folder.path(), "f1"), features(folder.path(), "f2"));
    let dest = folder.path().join("new/f1.npz");
    assert_eq!(write_reference(&ours, &dest).unwrap(), load(&dest, None).unwrap());
    let references = [fixture("ref-stats.npz"), fixture("ref-stats.pkl"), theirs.clone()];
    for (ours, theirs) in references.map(|theirs| (&ours, theirs)).into_iter().chain([(&dest, theirs)]) {
        let found = metrics(&request(ours.clone(), theirs)).unwrap();
        let fid = found["fid"].as_f64().unwrap();
        assert!((fid / 39.741_608_854_960_42 - 1.0).abs() < 1e-9, "{fid}");
    }
}

#[test]
fn the_detector_names_the_distance() {
    let path = fixture("ref-stats.npz");
    for (detector, name) in [("inception", "fid"), ("dinov2", "fd_dinov2"), ("fashion-cnn", "fd")] {
        let asked = MetricsRequest { detector: Some(detector.into()), ..request(path.clone(), path.clone()) };
        let found = metrics(&asked).unwrap();
        assert_eq!(found.keys().collect::<Vec<_>>(), [name]);
        assert!(found[name].as_f64().unwrap().abs() < 1e-6);
    }
}

#[test]
fn the_detector_chooses_among_the_statistics_of_a_pkl() {
    let folder = tempfile::tempdir().unwrap();
    let ours = features(folder.path(), "f1");
    let distance = |detector: Option<&str>| {
        let detector = detector.map(str::to_owned);
        metrics(&MetricsRequest { detector, ..request(ours.clone(), fixture("ref-stats.pkl")) })
    };
    let fid = distance(None).unwrap()["fid"].clone();
    assert_eq!(distance(Some("pytorch-fid")).unwrap()["fid"], fid);
    assert_ne!(distance(Some("dinov2")).unwrap()["fd_dinov2"], fid);
    let error = distance(Some("fashion-cnn")).unwrap_err().to_string();
    assert!(error.contains("ref-stats.pkl") && error.contains("none of `fashion-cnn`"), "{error}");
}

#[test]
fn errors_are_one_line_with_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = fixture("ref-stats.npz");
    let damaged = folder.path().join("damaged.npz");
    std::fs::write(&damaged, &std::fs::read(&path).unwrap()[..2000]).unwrap();
    let kid = MetricsRequest { metrics: vec!["kid".into()], ..request(path.clone(), path.clone()) };
    assert_eq!(metrics(&kid).unwrap_err().to_string(), "unknown metric `kid`: there is `fid`");
    for (file, wanted) in
        [("damaged.npz", "damaged or not"), ("none.npz", "No such file"), ("x.txt", "give features")]
    {
        let error = metrics(&request(folder.path().join(file), path.clone())).unwrap_err().to_string();
        assert!(error.contains(file) && error.contains(wanted) && !error.contains('\n'), "{error}");
    }
    let dest = folder.path().join("never.npz");
    assert!(write_reference(&damaged, &dest).is_err() && !dest.exists());
}
