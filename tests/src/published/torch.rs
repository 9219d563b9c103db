//! torch's formats, old and new.

use std::collections::BTreeMap;
use std::io::{Cursor, Write};

use fidelis_formats::{Array, Dtype, StateDict};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::python::{Py, call, dict, pickle, text};

fn storage_class(dtype: Dtype) -> Py {
    let name = match dtype {
        Dtype::F16 => "HalfStorage",
        Dtype::BF16 => "BFloat16Storage",
        Dtype::F32 => "FloatStorage",
        Dtype::F64 => "DoubleStorage",
        Dtype::U8 => "ByteStorage",
        Dtype::I32 => "IntStorage",
        Dtype::I64 => "LongStorage",
        Dtype::Bool => "BoolStorage",
    };
    Py::Global("torch", name)
}

fn storage_id(key: &str, array: &Array) -> Py {
    let count = array.bytes.len() / array.dtype.size();
    let id = vec![text("storage"), storage_class(array.dtype), text(key), text("cpu"), Py::Int(count as i64)];
    Py::Persistent(Box::new(Py::Tuple(id)))
}

/// Row-major strides, in elements.
pub fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for dim in (1..shape.len()).rev() {
        strides[dim - 1] = strides[dim] * shape[dim];
    }
    strides
}

/// `_rebuild_tensor_v2` of a view of a storage.
pub fn tensor(storage: Py, offset: usize, shape: &[usize], stride: &[usize]) -> Py {
    let sizes = |sizes: &[usize]| Py::Tuple(sizes.iter().map(|&size| Py::Int(size as i64)).collect());
    let hooks = call("collections", "OrderedDict", vec![]);
    let arguments =
        vec![storage, Py::Int(offset as i64), sizes(shape), sizes(stride), Py::Bool(false), hooks];
    call("torch._utils", "_rebuild_tensor_v2", arguments)
}

/// The start of torch's legacy format: magic number, protocol, system.
fn legacy_header() -> Vec<u8> {
    let mut out = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.".to_vec();
    out.extend(pickle(&Py::Int(1001), 2));
    let sizes = dict([("short", Py::Int(2)), ("int", Py::Int(4)), ("long", Py::Int(4))]);
    let system =
        [("protocol_version", Py::Int(1001)), ("little_endian", Py::Bool(true)), ("type_sizes", sizes)];
    out.extend(pickle(&dict(system), 2));
    out
}

/// torch's legacy format of any object whose storages are named by `storages`' keys.
pub fn legacy(object: &Py, storages: &BTreeMap<String, Array>) -> Vec<u8> {
    let mut out = legacy_header();
    out.extend(pickle(object, 2));
    out.extend(pickle(&Py::List(storages.keys().map(text).collect()), 2));
    for array in storages.values() {
        out.extend((array.bytes.len() as u64 / array.dtype.size() as u64).to_le_bytes());
        out.extend(&array.bytes);
    }
    out
}

/// A storage inside a pickle: its legacy bytes.
pub fn inline_storage(array: &Array) -> Py {
    let key = "94918488656080";
    let bytes = legacy(&storage_id(key, array), &[(key.to_owned(), array.clone())].into());
    call("torch.storage", "_load_from_bytes", vec![Py::Bytes(bytes)])
}

/// The tensors of a state dict as views of storages with numbers for keys, and those storages.
pub fn views(state: &StateDict) -> (Py, BTreeMap<String, Array>) {
    let mut storages = BTreeMap::new();
    let entries = state.iter().enumerate().map(|(index, (name, array))| {
        let key = index.to_string();
        let view = tensor(storage_id(&key, array), 0, &array.shape, &strides(&array.shape));
        storages.insert(key, array.clone());
        (text(name), view)
    });
    let entries: Vec<_> = entries.collect();
    (Py::Dict(entries), storages)
}

/// A state dict in torch's legacy format.
pub fn legacy_state_dict(state: &StateDict) -> Vec<u8> {
    let (object, storages) = views(state);
    legacy(&object, &storages)
}

/// A state dict in torch's ZIP format.
pub fn zip_state_dict(state: &StateDict) -> Vec<u8> {
    let (object, storages) = views(state);
    zip(&object, &storages)
}

/// torch's ZIP format of any object.
pub fn zip(object: &Py, storages: &BTreeMap<String, Array>) -> Vec<u8> {
    zip_entries(&torch_entries(object, storages), CompressionMethod::Stored)
}

/// What lies in torch's ZIP format, by name.
pub fn torch_entries(object: &Py, storages: &BTreeMap<String, Array>) -> Vec<(String, Vec<u8>)> {
    let fixed =
        [("data.pkl", pickle(object, 2)), ("byteorder", b"little".to_vec()), ("version", b"3\n".to_vec())];
    let named = fixed.map(|(name, bytes)| (format!("archive/{name}"), bytes));
    let data = storages.iter().map(|(key, array)| (format!("archive/data/{key}"), array.bytes.to_vec()));
    named.into_iter().chain(data).collect()
}

/// A ZIP of some entries.
pub fn zip_entries(entries: &[(String, Vec<u8>)], method: CompressionMethod) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options =
        SimpleFileOptions::default().compression_method(method).last_modified_time(zip::DateTime::default());
    for (name, bytes) in entries {
        zip.start_file(name, options).expect("a ZIP in memory");
        zip.write_all(bytes).expect("a ZIP in memory");
    }
    zip.finish().expect("a ZIP in memory").into_inner()
}
