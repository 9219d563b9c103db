//! `fidelis metrics` and `fidelis ref`, but for the command line.

use std::path::{Path, PathBuf};

use fidelis::destination::{Destination, statistics_of};
use fidelis::evaluate::{MetricsRequest, load, metrics, metrics as metrics_of};
use fidelis_formats::stats::{Statistics, npz};
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
    MetricsRequest { features, reference, detector: None, metrics: vec![] }
}

/// A features file that names its detector.
fn named(folder: &Path, name: &str, detector: &str) -> PathBuf {
    let bytes = std::fs::read(features(folder, name)).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let path = folder.join(format!("{name}-{detector}.safetensors"));
    let metadata = [("detector".to_owned(), detector.to_owned())].into();
    std::fs::write(&path, serialize(tensors.tensors(), Some(metadata)).unwrap()).unwrap();
    path
}

/// `fidelis ref --features`.
fn write_reference(features: &Path, dest: &Path) -> anyhow::Result<Statistics> {
    let statistics = statistics_of(features, None)?;
    let detectors = [statistics.detector.as_deref()];
    Destination::new(dest, &detectors)?.write(std::slice::from_ref(&statistics))?;
    Ok(statistics)
}

#[test]
fn files_of_either_kind_on_either_side() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, theirs) = (features(folder.path(), "f1"), features(folder.path(), "f2"));
    let dest = folder.path().join("new/f1.NPZ");
    assert_eq!(write_reference(&ours, &dest).unwrap(), load(&dest, None).unwrap());
    let references = [fixture("ref-stats.npz"), fixture("ref-stats.pkl"), theirs.clone()];
    for (ours, theirs) in references.map(|theirs| (&ours, theirs)).into_iter().chain([(&dest, theirs)]) {
        let name = if theirs.ends_with("ref-stats.pkl") { "fid" } else { "fd" };
        let found = metrics(&request(ours.clone(), theirs)).unwrap();
        let fid = found[name].as_f64().unwrap();
        assert!((fid / 39.741_608_854_960_42 - 1.0).abs() < 1e-9, "{fid}");
    }
}

#[test]
fn the_detector_names_the_distance() {
    let path = fixture("ref-stats.npz");
    for (detector, name) in
        [("inception", "fid"), ("pytorch-fid", "fid"), ("dinov2", "fd_dinov2"), ("own", "fd")]
    {
        let asked = MetricsRequest { detector: Some(detector.into()), ..request(path.clone(), path.clone()) };
        let found = metrics(&asked).unwrap();
        assert_eq!(found.keys().collect::<Vec<_>>(), [name]);
        assert!(found[name].as_f64().unwrap().abs() < 1e-6);
        // As the files say it themselves, on either side.
        let folder = tempfile::tempdir().unwrap();
        let (named, bare) = (named(folder.path(), "f1", detector), features(folder.path(), "f2"));
        for (ours, theirs) in [(named.clone(), bare.clone()), (bare, named.clone())] {
            assert_eq!(metrics(&request(ours, theirs)).unwrap().keys().collect::<Vec<_>>(), [name]);
        }
        let stats = folder.path().join("stats.npz");
        assert_eq!(write_reference(&named, &stats).unwrap().detector.as_deref(), Some(detector));
        assert_eq!(metrics(&request(stats.clone(), stats)).unwrap().keys().collect::<Vec<_>>(), [name]);
    }
}

#[test]
fn of_unknown_features_it_is_called_as_is_asked() {
    let path = fixture("ref-stats.npz");
    let asked = |names: &[&str]| {
        let metrics = names.iter().map(ToString::to_string).collect();
        metrics_of(&MetricsRequest { metrics, ..request(path.clone(), path.clone()) })
    };
    for name in ["fid", "fd", "fd_dinov2"] {
        assert_eq!(asked(&[name]).unwrap().keys().collect::<Vec<_>>(), [name]);
    }
    let error = asked(&["fid", "fd"]).unwrap_err().to_string();
    assert!(error.contains("ask for one of `fid`, `fd`"), "{error}");
}

#[test]
fn detectors_are_not_mixed_and_names_not_lent() {
    let folder = tempfile::tempdir().unwrap();
    let (inception, own) =
        (named(folder.path(), "f1", "inception"), named(folder.path(), "f2", "fashion-cnn"));
    let refused = |request: MetricsRequest| {
        let error = metrics(&request).unwrap_err().to_string();
        assert!(!error.contains('\n'), "{error}");
        error
    };
    let error = refused(request(inception.clone(), own.clone()));
    assert!(
        error.contains("f2-fashion-cnn") && error.contains("of `fashion-cnn`, not of `inception`"),
        "{error}"
    );
    let claimed = MetricsRequest { detector: Some("dinov2".into()), ..request(own.clone(), own.clone()) };
    assert!(refused(claimed).contains("of `fashion-cnn`, not of `dinov2`"));
    let lent = MetricsRequest { metrics: vec!["fid".into()], ..request(own.clone(), own.clone()) };
    let error = refused(lent);
    assert!(error.contains("features of `fashion-cnn` is called `fd`, not `fid`"), "{error}");
    // The `.pkl` has no section of it.
    let error = refused(request(own, fixture("ref-stats.pkl")));
    assert!(error.contains("ref-stats.pkl") && error.contains("none of `fashion-cnn`"), "{error}");
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
    // So do the metric's name, and the other side's.
    let dinov2 = MetricsRequest {
        metrics: vec!["fd_dinov2".into()],
        ..request(ours.clone(), fixture("ref-stats.pkl"))
    };
    assert_eq!(metrics(&dinov2).unwrap(), distance(Some("dinov2")).unwrap());
    let named = named(folder.path(), "f1", "dinov2");
    for (ours, theirs) in [(named.clone(), fixture("ref-stats.pkl")), (fixture("ref-stats.pkl"), named)] {
        let found = metrics(&request(ours, theirs)).unwrap()["fd_dinov2"].as_f64().unwrap();
        assert!(
            (found / distance(Some("dinov2")).unwrap()["fd_dinov2"].as_f64().unwrap() - 1.0).abs() < 1e-9
        );
    }
    // Two files of two detectors have two distances.
    let both = MetricsRequest {
        metrics: vec!["fid".into(), "fd_dinov2".into()],
        ..request(fixture("ref-stats.pkl"), fixture("ref-stats.pkl"))
    };
    assert_eq!(metrics(&both).unwrap().len(), 2);
}

#[test]
fn what_there_is_to_say_about_a_number_is_said_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let statistics = load(&fixture("ref-stats.npz"), None).unwrap();
    let write = |name: &str, statistics: &Statistics| {
        let path = folder.path().join(name);
        std::fs::write(&path, npz::encode(statistics).unwrap()).unwrap();
        path
    };
    let few = write("few.npz", &Statistics { num_images: 64, ..statistics.clone() });
    let found = metrics(&request(few, fixture("ref-stats.npz"))).unwrap();
    assert_eq!(found["fd"]["rank_deficient"], true);
    assert!(found["fd"]["value"].as_f64().unwrap().abs() < 1e-6);
    let dim = statistics.dim();
    let sigma = |least: f64| {
        (0..dim * dim).map(|k| if k == 0 { least } else { f64::from(k % (dim + 1) == 0) }).collect()
    };
    let rounded = write("rounded.npz", &Statistics { sigma: sigma(-1e-6), ..statistics.clone() });
    let found = metrics(&request(fixture("ref-stats.npz"), rounded)).unwrap();
    assert!((found["fd"]["sigma_clipped_mass"].as_f64().unwrap() / 1e-6 - 1.0).abs() < 1e-6, "{found:?}");
    let indefinite = write("indefinite.npz", &Statistics { sigma: sigma(-0.5), ..statistics });
    let dest = folder.path().join("never.npz");
    let refusals = [
        metrics(&request(fixture("ref-stats.npz"), indefinite.clone())).unwrap_err().to_string(),
        metrics(&request(indefinite.clone(), fixture("ref-stats.npz"))).unwrap_err().to_string(),
        write_reference(&indefinite, &dest).unwrap_err().to_string(),
    ];
    for error in refusals {
        let words = ["indefinite.npz", "not positive semi-definite", "`-5e-1`", "`1e0`"];
        assert!(words.iter().all(|word| error.contains(word)) && !error.contains('\n'), "{error}");
    }
    assert!(!dest.exists());
}

#[test]
fn statistics_go_where_their_format_can_hold_them() {
    let folder = tempfile::tempdir().unwrap();
    let dest = |name: &str| folder.path().join(name);
    let of = |name: &str, detectors: &[Option<&str>]| Destination::new(&dest(name), detectors);
    let refused = |name: &str, detectors: &[Option<&str>]| of(name, detectors).unwrap_err().to_string();
    for name in ["x.zip", "x", "x.safetensors", "x.pkl.bak"] {
        let error = refused(name, &[Some("inception")]);
        assert!(error.contains(name) && error.contains("`.npz`, or as `.pkl`"), "{error}");
    }
    assert!(refused("x.npz", &[Some("inception"), Some("dinov2")]).contains("of one detector"));
    assert!(refused("x.pkl", &[Some("fashion-cnn")]).contains("not for `fashion-cnn`"));
    assert!(refused("x.pkl", &[None]).contains("not named"));
    let (first, second) = (named(folder.path(), "f1", "inception"), named(folder.path(), "f1", "dinov2"));
    let statistics = [first, second].map(|path| statistics_of(&path, None).unwrap());
    of("x.PKL", &[Some("inception"), Some("dinov2")]).unwrap().write(&statistics).unwrap();
    let bytes = std::fs::read(dest("x.PKL")).unwrap();
    assert_eq!(&bytes[..2], [0x80, 4]);
    for one in statistics {
        assert_eq!(
            load(&dest("x.PKL"), one.detector.as_deref()).unwrap(),
            Statistics { num_images: 500, ..one }
        );
    }
}

#[test]
fn errors_are_one_line_with_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = fixture("ref-stats.npz");
    let damaged = folder.path().join("damaged.npz");
    std::fs::write(&damaged, &std::fs::read(&path).unwrap()[..2000]).unwrap();
    std::fs::write(folder.path().join("x.txt"), "of another kind\n").unwrap();
    std::fs::write(folder.path().join("page.npz"), "<!DOCTYPE html><html>").unwrap();
    let kid = MetricsRequest { metrics: vec!["kid".into()], ..request(path.clone(), path.clone()) };
    assert_eq!(
        metrics(&kid).unwrap_err().to_string(),
        "unknown metric `kid`: there are `fid`, `fd_dinov2`, `fd`"
    );
    for (file, wanted) in [
        ("damaged.npz", "damaged or not"),
        ("none.npz", "No such file"),
        ("x.txt", "damaged or not a file of features"),
        ("page.npz", "is an HTML page, not features"),
    ] {
        let error = metrics(&request(folder.path().join(file), path.clone())).unwrap_err().to_string();
        assert!(error.contains(file) && error.contains(wanted) && !error.contains('\n'), "{error}");
    }
    let dest = folder.path().join("never.npz");
    assert!(write_reference(&damaged, &dest).is_err() && !dest.exists());
}
