//! Pickles of every protocol, as Python and NumPy 1 and 2 write them (`tests/fixtures/pickles/make.py`), and our own.

#[path = "../../../tests/src/published/mod.rs"]
#[allow(dead_code, unused_imports)]
mod published;

use std::path::Path;

use bytes::Bytes;
use fidelis_formats::{
    Dtype, FormatError, content,
    net::{self, Encoder},
    pickle::{Pickle, Problem},
    stats::{self, Statistics, published as edm2},
};
use published::{Py, call, dict, pickle, text};

fn fixture(name: &str) -> Bytes {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/pickles").join(name);
    std::fs::read(path).unwrap().into()
}

#[test]
fn statistics_of_every_protocol_and_numpy_are_the_same() {
    for numpy in [1, 2] {
        for protocol in 2..=5 {
            let name = format!("stats-np{numpy}-p{protocol}.pkl");
            let read =
                |detector| stats::decode(&fixture(&name), detector).unwrap_or_else(|e| panic!("{name}: {e}"));
            let named = |detector: &str| Some(detector.to_owned());
            let fid = Statistics {
                mu: vec![1.0, -2.5],
                // Written column by column.
                sigma: vec![2.0, 0.5, 0.25, 1.0],
                num_images: 50_000,
                detector: named("inception"),
            };
            assert_eq!(read(None), fid, "{name}");
            let (mu, sigma) = (vec![3.0, 0.5], vec![4.0, 1.0, 1.0, 9.0]);
            assert_eq!(
                read(Some("dinov2")),
                Statistics { mu, sigma, detector: named("dinov2"), ..fid },
                "{name}"
            );
        }
    }
}

#[test]
fn nets_of_every_protocol_are_the_same() {
    let read = |name: &str| net::decode(&fixture(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let expected = read("net-p4.pkl");
    for protocol in [2, 3, 5] {
        assert_eq!(read(&format!("net-p{protocol}.pkl")), expected, "{protocol}");
    }
    let config = &expected.config;
    // By position, by name as NumPy's number, and not at all.
    assert_eq!((config.img_resolution, config.img_channels, config.label_dim), (8, 4, 0));
    assert_eq!((config.model_channels, &config.resample_filter[..]), (64, &[1.0, 3.0, 3.0, 1.0][..]));
    assert_eq!((config.encoder, config.use_fp16), (Some(Encoder::StabilityVae), false));
    assert_eq!(config.whitening.as_ref().unwrap().scale, [1.0, 2.0, 3.0, 4.0]);
    assert_eq!(expected.dataset_kwargs.unwrap()["path"], "é.zip");
    let names: Vec<_> = expected.tensors.keys().map(String::as_str).collect();
    assert_eq!(names, ["unet.enc.8x8_conv.weight", "unet.out_gain"]);
    let single = read("net-f32-p5.pkl").tensors;
    for (name, half) in &expected.tensors {
        assert_eq!((half.dtype, single[name].dtype), (Dtype::F16, Dtype::F32), "{name}");
        assert_eq!(Dtype::F16.floats(&half.bytes), Dtype::F32.floats(&single[name].bytes), "{name}");
    }
}

#[test]
fn the_oldest_protocols_are_refused_by_name() {
    for name in ["stats-np1-p0", "stats-np1-p1", "stats-np2-p0", "stats-np2-p1", "net-p0", "net-p1"] {
        let bytes = fixture(&format!("{name}.pkl"));
        for error in [
            stats::decode(&bytes, None).unwrap_err(),
            net::decode(&bytes).unwrap_err(),
            content::decode(&bytes).unwrap_err(),
        ] {
            let error = error.to_string();
            assert!(
                error.contains("a pickle of protocol 0 or 1") && error.contains("protocol=4"),
                "{name}: {error}"
            );
        }
    }
}

#[test]
fn what_we_write_is_read_again() {
    let one = Statistics {
        mu: vec![0.5, -0.0],
        sigma: vec![1.0, 2.0, 2.0, f64::MIN_POSITIVE],
        num_images: 1 << 40,
        detector: Some("inception".into()),
    };
    let other =
        Statistics { mu: vec![1.5], sigma: vec![7.0], detector: Some("dinov2".into()), ..one.clone() };
    let bytes = Bytes::from(edm2::encode(&[one.clone(), other.clone()]).unwrap());
    assert_eq!(stats::decode(&bytes, None).unwrap(), one);
    assert_eq!(stats::decode(&bytes, Some("dinov2")).unwrap(), other);
    let pickle = Pickle::whole(&bytes).unwrap();
    let keys: Vec<_> = pickle.root().entries().unwrap().map(|(key, _)| key.as_str().unwrap()).collect();
    assert_eq!(keys, ["num_images", "fid", "fd_dinov2"]);
    // Of one detector alone, and without a count where there is none.
    let bytes = edm2::encode(&[Statistics { num_images: 0, ..other.clone() }]).unwrap();
    assert_eq!(stats::decode(&bytes.into(), None).unwrap(), Statistics { num_images: 0, ..other.clone() });
    let refused = |statistics: &[Statistics]| edm2::encode(statistics).unwrap_err().to_string();
    let own = Statistics { detector: Some("fashion-cnn".into()), ..one.clone() };
    assert!(refused(&[own]).contains("not for `fashion-cnn`"));
    assert!(refused(&[one.clone(), one.clone()]).contains("one section `fid`"));
    assert!(refused(&[one, Statistics { num_images: 3, ..other }]).contains("not of the same images"));
}

fn problem(value: &Py) -> Problem {
    Pickle::whole(&pickle(value, 4).into()).unwrap_err().problem
}

#[test]
fn what_older_protocols_call_is_no_more_than_data() {
    let encode = |arguments| call("_codecs", "encode", arguments);
    for (value, words) in [
        (encode(vec![text("a"), text("rot13")]), "another encoding than Latin-1"),
        (encode(vec![text("€"), text("latin1")]), "not Latin-1"),
        (encode(vec![Py::Int(1), text("latin1")]), "where a text should be"),
        (call("builtins", "bytearray", vec![Py::Int(1 << 60)]), "bytes of what are none"),
        (call("__builtin__", "set", vec![text("abc")]), "a set of what is no list"),
        (
            call("numpy._core.numeric", "_frombuffer", vec![Py::Bytes(vec![0; 8])]),
            "arguments are not the known",
        ),
        (call("numpy.core.multiarray", "scalar", vec![text("f8"), Py::Bytes(vec![0; 8])]), "without a type"),
    ] {
        let problem = problem(&value).to_string();
        assert!(problem.contains(words), "{value:?}: {problem}");
    }
    for name in ["eval", "exec", "getattr", "__import__", "open", "compile", "print"] {
        assert_eq!(problem(&call("builtins", name, vec![])), Problem::Global(format!("builtins.{name}")));
    }
    assert_eq!(problem(&call("_codecs", "decode", vec![])), Problem::Global("_codecs.decode".into()));
}

fn dtype(name: &str, order: &str) -> Py {
    let made = call("numpy", "dtype", vec![text(name), Py::Bool(false), Py::Bool(true)]);
    let order =
        vec![Py::Int(3), text(order), Py::None, Py::None, Py::None, Py::Int(-1), Py::Int(-1), Py::Int(0)];
    Py::Build(Box::new(made), Box::new(Py::Tuple(order)))
}

#[test]
fn buffers_have_the_length_that_their_shape_asks_for() {
    let buffer = |len, sizes: &[i64], order: &str| {
        let shape = Py::Tuple(sizes.iter().map(|&size| Py::Int(size)).collect());
        let arguments = vec![Py::Bytes(vec![0; len]), dtype("f8", "<"), shape, text(order)];
        pickle(&call("numpy._core.numeric", "_frombuffer", arguments), 5)
    };
    let read = |bytes: Vec<u8>| Pickle::whole(&bytes.into()).map_err(|error| error.problem.to_string());
    assert_eq!(read(buffer(48, &[2, 3], "F")).unwrap().root().as_array().unwrap().shape, [2, 3]);
    for (len, sizes) in [(40, &[2, 3][..]), (56, &[2, 3]), (8, &[1 << 62, 1 << 62]), (8, &[-1])] {
        read(buffer(len, sizes, "C")).unwrap_err();
    }
    assert!(read(buffer(8, &[1], "K")).unwrap_err().contains("neither `C` nor `F`"));
}

#[test]
fn a_text_that_is_long_may_be_bytes_and_nothing_else() {
    let long = || text("é".repeat(9 << 20));
    let encoded = call("_codecs", "encode", vec![long(), text("latin1")]);
    let whole = Pickle::whole(&pickle(&Py::List(vec![encoded.clone()]), 2).into()).unwrap();
    assert_eq!(whole.root().items().unwrap().next().unwrap().kind(), "bytes");
    for value in [Py::List(vec![long()]), Py::List(vec![long(), encoded.clone()]), dict([("a", long())])] {
        assert!(matches!(problem(&value), Problem::TooMany { what: "bytes in a text", .. }));
    }
    // A hundred thousand uses of one text are one value.
    let mut bytes = pickle(&text("\u{ff}".repeat(1 << 16)), 2);
    bytes.pop();
    bytes.extend(b"q\0X\x06\0\0\0latin1q\x01c_codecs\nencode\nq\x02");
    bytes.extend(b"0h\x02h\0h\x01\x86R".repeat(100_000));
    bytes.push(b'.');
    assert_eq!(Pickle::whole(&bytes.into()).unwrap().root().kind(), "bytes");
}

#[test]
fn wrong_files_are_called_by_their_names() {
    let zip = |names: &[&str]| {
        let entries: Vec<_> = names.iter().map(|name| ((*name).to_owned(), b"x".to_vec())).collect();
        published::zip_entries(&entries, zip::CompressionMethod::Stored)
    };
    let script = zip(&["m/data.pkl", "m/constants.pkl", "m/code/__torch__.py"]);
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n".to_vec();
    let cases = [
        (pointer, "is a Git LFS pointer, not", "git lfs pull"),
        (b"\n<!doctype html><title>404</title>".to_vec(), "is an HTML page, not", "the file's own"),
        (b"\x1f\x8b\x08\0\0\0\0\0\0\0\0\0".to_vec(), "is a gzip file, not", "gunzip"),
        (b"\x89HDF\r\n\x1a\n\0\0\0\0\0".to_vec(), "is an HDF5 file, not", ""),
    ];
    let lines = |bytes: Vec<u8>| {
        let bytes = Bytes::from(bytes);
        let errors: [FormatError; 4] = [
            fidelis_formats::state_dict::decode(&bytes).unwrap_err(),
            net::decode(&bytes).unwrap_err(),
            stats::decode(&bytes, None).unwrap_err(),
            content::decode(&bytes).unwrap_err(),
        ];
        errors.map(|error| error.to_string())
    };
    for (bytes, name, advice) in cases {
        for line in lines(bytes.clone()) {
            assert!(line.contains(name) && line.contains(advice) && !line.contains('\n'), "{line}");
        }
    }
    let refused =
        |bytes: Vec<u8>| fidelis_formats::state_dict::decode(&bytes.into()).unwrap_err().to_string();
    assert!(refused(script).contains("is a TorchScript archive, not a state dict; save its weights with"));
    assert!(refused(zip(&["mu.npy", "sigma.npy"])).contains("is an archive of NumPy arrays"));
}
