//! State dicts of torch and safetensors files.

#[path = "../../../tests/src/published/mod.rs"]
#[allow(dead_code, unused_imports)]
mod published;

use std::collections::BTreeMap;

use fidelis_formats::{Array, Dtype, StateDict, content::Content, state_dict, stats};
use published::{
    Py, call, legacy, legacy_state_dict, tensor, text, torch_entries, views, zip, zip_entries, zip_state_dict,
};
use zip::CompressionMethod;

fn array(dtype: Dtype, shape: &[usize]) -> Array {
    let len = shape.iter().product::<usize>() * dtype.size();
    Array { dtype, shape: shape.to_vec(), bytes: (0..len).map(|i| i as u8).collect() }
}

fn state() -> StateDict {
    use Dtype::*;
    let types =
        [(F16, "a"), (BF16, "b"), (F32, "c"), (F64, "d"), (U8, "e"), (I32, "f"), (I64, "g"), (Bool, "h")];
    let mut state: StateDict =
        types.map(|(dtype, name)| (format!("{name}.weight"), array(dtype, &[2, 3]))).into();
    state.insert("scalar".to_owned(), array(F32, &[]));
    state.insert("none".to_owned(), array(F32, &[3, 0]));
    state
}

fn decode(bytes: Vec<u8>) -> Result<StateDict, String> {
    state_dict::decode(&bytes.into()).map_err(|error| error.to_string())
}

#[test]
fn both_formats_of_torch_and_safetensors_give_the_same() {
    let state = state();
    assert_eq!(decode(legacy_state_dict(&state)).unwrap(), state);
    assert_eq!(decode(zip_state_dict(&state)).unwrap(), state);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.pth");
    std::fs::write(&path, zip_state_dict(&state)).unwrap();
    assert_eq!(state_dict::read(&path).unwrap(), state);
    let error = state_dict::read(&folder.path().join("nowhere.pth")).unwrap_err().to_string();
    assert!(error.contains("nowhere.pth"), "{error}");
}

#[test]
fn arrays_are_parts_of_the_file() {
    let bytes = bytes::Bytes::from(legacy_state_dict(&state()));
    let file = bytes.as_ptr() as usize..bytes.as_ptr() as usize + bytes.len();
    for (name, array) in state_dict::decode(&bytes).unwrap().iter().filter(|(_, a)| !a.bytes.is_empty()) {
        assert!(file.contains(&(array.bytes.as_ptr() as usize)), "{name} was copied");
    }
}

/// One storage of 0, 1, …, 11 and views of it.
fn view(offset: usize, shape: &[usize], stride: &[usize]) -> Result<Vec<u8>, String> {
    let storages: BTreeMap<String, Array> = [("0".to_owned(), array(Dtype::U8, &[12]))].into();
    let (object, _) = views(&[("x".to_owned(), array(Dtype::U8, &[12]))].into());
    let Py::Dict(entries) = object else { panic!("a state dict is a dict") };
    let Py::Call(_, arguments) = &entries[0].1 else { panic!("a tensor is rebuilt") };
    let object = Py::Dict(vec![(text("x"), tensor(arguments[0].clone(), offset, shape, stride))]);
    let old = decode(legacy(&object, &storages)).map(|state| state["x"].bytes.to_vec());
    assert_eq!(decode(zip(&object, &storages)).map(|state| state["x"].bytes.to_vec()), old);
    old
}

#[test]
fn views_become_row_major() {
    assert_eq!(view(0, &[3, 4], &[4, 1]).unwrap(), (0..12).collect::<Vec<_>>());
    assert_eq!(view(2, &[2, 3], &[3, 1]).unwrap(), [2, 3, 4, 5, 6, 7]);
    assert_eq!(view(0, &[4, 3], &[1, 4]).unwrap(), [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11]);
    assert_eq!(view(1, &[2, 1, 2], &[6, 99, 2]).unwrap(), [1, 3, 7, 9]);
    assert_eq!(view(5, &[3], &[0]).unwrap(), [5, 5, 5]);
    assert_eq!(view(11, &[], &[]).unwrap(), [11]);
    assert!(view(99, &[0, 4], &[1, 1]).unwrap().is_empty());
}

#[test]
fn views_outside_their_storage_are_refused() {
    for (offset, shape, stride) in [
        (1, &[3, 4][..], &[4, 1][..]),
        (12, &[1], &[1]),
        (0, &[2], &[12]),
        (0, &[1 << 40, 1 << 40], &[0, 0]),
        (0, &[1 << 62, 4], &[1, 1]),
        (1 << 62, &[2], &[1 << 62]),
    ] {
        let error = view(offset, shape, stride).unwrap_err();
        assert!(error.contains("leaves its storage") && error.contains("`x`"), "{error}");
    }
    let error = view(0, &[1 << 40], &[0]).unwrap_err();
    assert!(error.contains("repeats a storage without measure"), "{error}");
}

#[test]
fn what_is_no_state_dict_is_named() {
    let none = BTreeMap::new();
    let refused = |object: Py| {
        let error = decode(legacy(&object, &none)).unwrap_err();
        assert_eq!(decode(zip(&object, &none)).unwrap_err().contains('\n'), error.contains('\n'));
        error
    };
    assert!(refused(Py::List(vec![])).contains("it is a list, no dict of tensors"));
    assert!(refused(Py::Dict(vec![(text("epoch"), Py::Int(3))])).contains("`epoch` is a number, no tensor"));
    assert!(refused(Py::Dict(vec![(Py::Int(3), Py::Int(3))])).contains("a key that is a number"));
    let module = Py::New(Box::new(Py::Global("torchvision.models.inception", "Inception3")));
    let error = refused(module);
    assert!(error.contains("`torchvision.models.inception.Inception3`"), "{error}");
    let empty = call("collections", "OrderedDict", vec![]);
    assert_eq!(decode(legacy(&empty, &none)).unwrap(), StateDict::new());
}

#[test]
fn a_storage_has_the_length_that_its_pickle_says() {
    let (object, _) = views(&[("x".to_owned(), array(Dtype::F64, &[4]))].into());
    for other in [array(Dtype::F64, &[3]), array(Dtype::F32, &[4]), array(Dtype::U8, &[33])] {
        let storages = [("0".to_owned(), other)].into();
        assert!(decode(zip(&object, &storages)).is_err());
        assert!(decode(legacy(&object, &storages)).is_err());
    }
    let error = decode(zip(&object, &BTreeMap::new())).unwrap_err();
    assert!(error.contains("`x` is a tensor whose storage is not there"), "{error}");
}

#[test]
fn archives_that_are_not_as_torch_writes_them_are_refused() {
    let (object, storages) = views(&state());
    let entries = torch_entries(&object, &storages);
    let other = |name: &str, bytes: &[u8]| {
        let mut entries = entries.clone();
        entries.iter_mut().filter(|(n, _)| n == name).for_each(|(_, b)| *b = bytes.to_vec());
        decode(zip_entries(&entries, CompressionMethod::Stored)).unwrap_err()
    };
    assert!(other("archive/byteorder", b"big").contains("little-endian"));
    assert!(other("archive/data.pkl", b"").contains("ends too early"));
    let error = decode(zip_entries(&entries, CompressionMethod::Deflated)).unwrap_err();
    assert!(error.contains("compressed"), "{error}");
    let error = decode(zip_entries(&entries[1..], CompressionMethod::Stored)).unwrap_err();
    assert!(error.contains("`data.pkl`"), "{error}");
    let mut flipped = zip_state_dict(&state());
    let at = flipped.windows(4).position(|w| w == [8, 9, 10, 11]).unwrap();
    flipped[at] ^= 1;
    assert!(decode(flipped).unwrap_err().contains("checksum"));
}

#[test]
fn every_cut_is_one_clear_line() {
    for whole in [legacy_state_dict(&state()), zip_state_dict(&state())] {
        for len in 0..whole.len() {
            let error = decode(whole[..len].to_vec()).unwrap_err();
            assert!(!error.contains('\n') && !error.is_empty(), "{error}");
        }
    }
}

/// The lowest byte of a header's length is any byte, also the one that a pickle begins with.
#[test]
fn a_header_whose_length_begins_like_a_pickle() {
    for length in [0x80, 0x0280, 0x0380, 0x0480, 0x0580] {
        let header = r#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;
        let mut bytes = (length as u64).to_le_bytes().to_vec();
        bytes.extend(format!("{header:length$}").into_bytes());
        bytes.extend([1.5f32, -2.0].map(f32::to_le_bytes).concat());
        let content = fidelis_formats::content::decode(&bytes.clone().into());
        assert!(matches!(content, Ok(Content::StateDict(_))), "{length:#x}: {content:?}");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("features");
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(stats::kind_of(&path).unwrap(), stats::Kind::None, "{length:#x}");
    }
}
