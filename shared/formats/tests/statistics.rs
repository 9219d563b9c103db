//! Statistics of every house.

#[path = "../../../tests/src/published/mod.rs"]
#[allow(dead_code, unused_imports)]
mod published;

use bytes::Bytes;
use fidelis_formats::{
    FormatError,
    stats::{self, Statistics, npz},
};
use published::{Py, dict, ndarray, pickle, text, zip_entries};
use zip::CompressionMethod;

fn fixture(name: &str) -> Bytes {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures").join(name);
    stats::read(&path).unwrap()
}

fn statistics() -> Statistics {
    Statistics { mu: vec![1.0, -2.5], sigma: vec![2.0, 0.5, 0.5, 1.0], num_images: 1234, detector: None }
}

fn refused(bytes: impl Into<Bytes>, detector: Option<&str>) -> String {
    let error = stats::decode(&bytes.into(), detector).unwrap_err().to_string();
    assert!(!error.contains('\n'), "{error}");
    error
}

#[test]
fn statistics_go_both_ways_with_equal_bytes() {
    let bytes = npz::encode(&statistics()).unwrap();
    assert_eq!(npz::decode(&bytes).unwrap(), statistics());
    assert_eq!(bytes, npz::encode(&statistics()).unwrap());
    let skewed = Statistics { mu: vec![0.0; 3], ..statistics() };
    assert!(matches!(npz::encode(&skewed), Err(FormatError::Damaged { .. })));
}

#[test]
fn the_pkl_holds_the_npz_and_twice_it() {
    let (pkl, npz) = (fixture("ref-stats.pkl"), stats::decode(&fixture("ref-stats.npz"), None).unwrap());
    assert_eq!((npz.dim(), npz.num_images), (64, 0));
    let inception = stats::decode(&pkl, Some("inception")).unwrap();
    assert_eq!(inception, Statistics { num_images: 700, detector: Some("inception".into()), ..npz.clone() });
    assert!(stats::decode(&pkl, None).unwrap() == inception);
    // The section does not tell the two ways to Inception apart.
    let detector = Some("pytorch-fid".to_owned());
    assert!(stats::decode(&pkl, Some("pytorch-fid")).unwrap() == Statistics { detector, ..inception });
    // Those of features twice as large.
    let dinov2 = stats::decode(&pkl, Some("dinov2")).unwrap();
    assert!(dinov2.mu.iter().zip(&npz.mu).all(|(ours, theirs)| *ours == 2.0 * theirs));
    assert!(dinov2.sigma.iter().zip(&npz.sigma).all(|(ours, theirs)| (ours - 4.0 * theirs).abs() < 1e-12));
    let error = refused(pkl, Some("fashion-cnn"));
    assert!(error.contains("none of `fashion-cnn`"), "{error}");
}

fn pkl(entries: Vec<(&str, Py)>) -> Vec<u8> {
    pickle(&dict(entries), 4)
}

fn section(mu: &[usize], sigma: &[usize]) -> Py {
    let array = |shape: &[usize]| ndarray("numpy.core.multiarray", shape, &vec![0.5; shape.iter().product()]);
    dict([("mu", array(mu)), ("sigma", array(sigma))])
}

#[test]
fn either_spelling_of_numpy_is_read() {
    for module in ["numpy.core.multiarray", "numpy._core.multiarray"] {
        let fid = dict([("mu", ndarray(module, &[1], &[0.5])), ("sigma", ndarray(module, &[1, 1], &[2.0]))]);
        let bytes = pkl(vec![("num_images", Py::Int(9)), ("fid", fid)]);
        let found = stats::decode(&bytes.into(), None).unwrap();
        assert_eq!(
            found,
            Statistics { mu: vec![0.5], sigma: vec![2.0], num_images: 9, detector: Some("inception".into()) }
        );
    }
}

#[test]
fn a_pkl_that_is_not_whole_is_refused() {
    for (bytes, detector, words) in [
        (pkl(vec![("fid", section(&[2], &[2, 2]))]), Some("dinov2"), "holds no `fd_dinov2`"),
        (pkl(vec![("fid", section(&[2], &[2, 3]))]), None, "sigma of shape `[2, 3]`"),
        (pkl(vec![("fid", section(&[1, 2], &[2, 2]))]), None, "mu of shape `[1, 2]`"),
        (pkl(vec![("fid", dict([("mu", Py::Int(1))]))]), None, "`mu` is a number, no array"),
        (pkl(vec![("fid", dict::<&str>([]))]), None, "holds no `mu`"),
        (
            pkl(vec![("fid", section(&[2], &[2, 2])), ("num_images", text("many"))]),
            None,
            "no count of images",
        ),
        (pickle(&Py::List(vec![]), 4), None, "it is a list, no dict"),
    ] {
        let error = refused(bytes, detector);
        assert!(error.contains(words), "{error}");
    }
    let nan = ndarray("numpy.core.multiarray", &[1], &[f64::NAN]);
    let fid = dict([("mu", nan), ("sigma", ndarray("numpy.core.multiarray", &[1, 1], &[1.0]))]);
    assert!(refused(pkl(vec![("fid", fid)]), None).contains("an infinity or a NaN"));
}

#[test]
fn adms_other_statistics_are_passed_over() {
    let bytes = npz::encode(&statistics()).unwrap();
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(&bytes)).unwrap();
    let mut entries: Vec<(String, Vec<u8>)> = ["mu.npy", "sigma.npy"]
        .map(|name| {
            let mut content = Vec::new();
            std::io::Read::read_to_end(&mut zip.by_name(name).unwrap(), &mut content).unwrap();
            (name.to_owned(), content)
        })
        .to_vec();
    entries.push(("mu_s.npy".to_owned(), b"whatever".to_vec()));
    entries.push(("sigma_s.npy".to_owned(), entries[0].1.clone()));
    for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
        let found = stats::decode(&zip_entries(&entries, method).into(), Some("inception")).unwrap();
        assert_eq!(found, Statistics { num_images: 0, ..statistics() });
    }
    // sigma is read no further than mu asks for, however much it inflates to.
    let header = "{'descr': '<f8', 'fortran_order': False, 'shape': (16000, 16000), }";
    let bomb = [&b"\x93NUMPY\x01\x00\x76\x00"[..], format!("{header:<117}\n").as_bytes()].concat();
    entries[1].1 = bomb;
    assert!(refused(zip_entries(&entries, CompressionMethod::Deflated), None).contains("`number of values`"));
}

#[test]
fn every_cut_and_every_flipped_number_is_one_clear_line() {
    let whole = npz::encode(&statistics()).unwrap();
    for len in 0..whole.len() {
        let error = refused(whole[..len].to_vec(), None);
        assert!(error.starts_with("damaged or not ") || error.contains("`.npy`"), "{error}");
    }
    let mut flipped = whole.clone();
    let at = whole.windows(8).position(|w| w == (-2.5_f64).to_le_bytes()).unwrap();
    flipped[at] ^= 1;
    refused(flipped, None);
    refused(b"not a zip at all".to_vec(), None);
    let whole = fixture("ref-stats.pkl");
    for len in (0..whole.len()).step_by(97).chain(0..200) {
        refused(whole.slice(..len), None);
    }
}

#[test]
fn the_detectors_name_is_kept_beside_the_numbers() {
    let named = |name: &str| Statistics { detector: Some(name.to_owned()), ..statistics() };
    for name in ["inception", "fashion-cnn", "ünïcode"] {
        let bytes = npz::encode(&named(name)).unwrap();
        assert_eq!(stats::decode(&bytes.into(), Some("whatever")).unwrap(), named(name));
    }
    // What is no name says nothing.
    for name in ["", "a\nb", &"x".repeat(200)] {
        let bytes = npz::encode(&named(name)).unwrap();
        assert_eq!(stats::decode(&bytes.into(), None).unwrap(), statistics(), "{name:?}");
    }
}
