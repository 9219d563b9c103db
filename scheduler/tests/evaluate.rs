//! `fidelis metrics` and `fidelis ref`, but for the command line.

use std::path::{Path, PathBuf};

use fidelis::destination::{Destination, statistics_of};
use fidelis::evaluate::{MetricsRequest, load, metrics, metrics as metrics_of};
use fidelis_formats::stats::{Statistics, npz};
use safetensors::SafeTensors;
use safetensors::tensor::{TensorView, serialize};
use serde_json::Value;

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
    MetricsRequest::new(features, reference)
}

/// A number, or an object with a number in it.
fn value(found: &Value) -> f64 {
    found.as_f64().or(found["value"].as_f64()).unwrap_or_else(|| panic!("no number: {found}"))
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
        let fid = value(&found[name]);
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
        assert!(found[name].as_f64().unwrap().abs() < 1e-6, "of two statistics, a number");
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
    let fid = value(&distance(None).unwrap()["fid"]);
    assert_eq!(value(&distance(Some("pytorch-fid")).unwrap()["fid"]), fid);
    assert_ne!(value(&distance(Some("dinov2")).unwrap()["fd_dinov2"]), fid);
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
        let found = value(&metrics(&request(ours, theirs)).unwrap()["fd_dinov2"]);
        let expected = value(&distance(Some("dinov2")).unwrap()["fd_dinov2"]);
        assert!((found / expected - 1.0).abs() < 1e-9, "{found} against {expected}");
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
    let unknown = MetricsRequest { metrics: vec!["kids".into()], ..request(path.clone(), path.clone()) };
    assert_eq!(
        metrics(&unknown).unwrap_err().to_string(),
        "unknown metric `kids`: there are `fid`, `fd_dinov2`, `fd`, `fid-inf`, `fd-per-class`, `kid`, `kid-full`, \
         `precision`, `recall`, `density`, `coverage`, `is`, `authenticity`, `duplicates`"
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

/// What each metric rests on is told beside it; several stand in one object.
#[test]
fn metrics_of_features_stand_side_by_side() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, theirs) = (named(folder.path(), "f1", "inception"), features(folder.path(), "f2"));
    let names = ["kid", "fid", "precision", "is", "fid-inf", "kid"].map(str::to_owned).to_vec();
    let weights = Some(fixture("metrics/last-layer.safetensors"));
    let asked = MetricsRequest { metrics: names, weights, ..request(ours, theirs) };
    let found = metrics(&asked).unwrap();
    assert_eq!(found.keys().collect::<Vec<_>>(), ["fid", "fid-inf", "is", "kid", "precision"]);
    for (name, golden) in
        [("fid", 39.741_608_854_960_42), ("kid", 0.385_371_342_447_044), ("precision", 0.102)]
    {
        assert!((value(&found[name]) / golden - 1.0).abs() < 1e-9, "{name}: {}", found[name]);
    }
    for (name, found) in &found {
        assert_eq!((&found["n"], &found["detector"]), (&500.into(), &"inception".into()), "{name}");
        assert!(found["preprocessing"].as_str().unwrap().contains("299x299"), "{name}");
        assert_eq!(found["reference_images"].as_u64(), (name != "is").then_some(700), "{name}");
    }
    assert!(
        (found["fid"]["sd"].as_f64().unwrap() / 0.294_967_598_953_88 - 1.0).abs() < 1e-6,
        "{}",
        found["fid"]
    );
    // Another seed chooses others.
    let again = metrics(&MetricsRequest { seed: Some(1), ..asked }).unwrap();
    assert_ne!(again["kid"], found["kid"]);
    assert_eq!(again["precision"], found["precision"]);
}

#[test]
fn classes_are_read_from_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let with_labels = |name: &str| {
        let bytes = std::fs::read(features(folder.path(), name)).unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let rows = tensors.tensor("features").unwrap().shape()[0] as i64;
        let labels: Vec<u8> = (0..rows).flat_map(|row| (row % 3).to_le_bytes()).collect();
        let labels = TensorView::new(safetensors::Dtype::I64, vec![rows as usize], &labels).unwrap();
        let path = folder.path().join(format!("{name}-labels.safetensors"));
        let tensors = [("features", tensors.tensor("features").unwrap()), ("labels", labels)];
        std::fs::write(&path, serialize(tensors, None).unwrap()).unwrap();
        path
    };
    let asked =
        |ours, theirs| MetricsRequest { metrics: vec!["fd-per-class".into()], ..request(ours, theirs) };
    let found = metrics(&asked(with_labels("f1"), with_labels("f2"))).unwrap();
    assert!((value(&found["fd-per-class"]) / 44.003_203_267_121_78 - 1.0).abs() < 1e-9, "{found:?}");
    let error = metrics(&asked(with_labels("f1"), features(folder.path(), "f2"))).unwrap_err().to_string();
    assert!(error.contains("classes") && error.contains("`labels`"), "{error}");
}

/// One line: which metric, which file, and what to do.
#[test]
fn what_cannot_be_computed_from_what_is_given_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, theirs) = (features(folder.path(), "f1"), features(folder.path(), "f2"));
    let dinov2 = named(folder.path(), "f1", "dinov2");
    let (stats, weights) = (fixture("ref-stats.npz"), fixture("metrics/last-layer.safetensors"));
    let refused = |metric: &str, ours: &Path, theirs: Option<&Path>, weights: Option<&Path>| {
        let asked = MetricsRequest {
            metrics: vec![metric.to_owned()],
            reference: theirs.map(|path| path.to_owned().into()),
            weights: weights.map(Path::to_owned),
            ..request(ours.to_owned(), ours.to_owned())
        };
        let error = metrics(&asked).unwrap_err().to_string();
        assert!(!error.contains('\n') && error.starts_with(|c: char| !c.is_uppercase()), "{error}");
        error
    };
    for metric in
        ["kid", "kid-full", "precision", "recall", "density", "coverage", "authenticity", "fd-per-class"]
    {
        for (one, other) in [(&ours, &stats), (&stats, &theirs)] {
            let error = refused(metric, one, Some(other), None);
            let words = [metric, "ref-stats.npz", "holds statistics", "fidelis-worker features"];
            assert!(words.iter().all(|word| error.contains(word)), "{error}");
        }
        assert!(
            refused(metric, &ours, None, None).contains(&format!("`{metric}` is a comparison: give `--ref`"))
        );
    }
    for metric in ["is", "duplicates", "fid-inf"] {
        assert!(
            refused(metric, &stats, Some(&stats), Some(&weights)).contains("holds statistics"),
            "{metric}"
        );
    }
    assert!(refused("fd", &ours, None, None).contains("`fd` is a comparison"));
    assert!(refused("is", &ours, None, None).contains("give `--weights F`"));
    assert!(refused("is", &dinov2, None, Some(&weights)).contains("of `dinov2`"));
    assert!(refused("is", &ours, None, Some(&theirs)).contains("f2.safetensors` holds no `fc.weight`"));
    let error = refused("kid", &dinov2, Some(&named(folder.path(), "f2", "inception")), None);
    assert!(error.contains("of `inception`, not of `dinov2`"), "{error}");
    let asked = MetricsRequest {
        metrics: vec!["is".into()],
        reference: None,
        weights: Some(weights),
        ..request(ours.clone(), ours)
    };
    assert!((value(&metrics(&asked).unwrap()["is"]) / 2.951_723_470_144_961 - 1.0).abs() < 1e-9);
}
