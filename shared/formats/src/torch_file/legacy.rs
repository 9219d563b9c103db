//! torch's format before version 1.6, and of every storage inside a pickle: three pickles that say what it is, one of
//! the object, one of a list of keys; then for each key a count and the raw little-endian values.

use std::collections::HashMap;

use bytes::Bytes;

use crate::Dtype;
use crate::pickle::{Limits, Pickle, PickleError, Place, Problem, Storage};

/// `0x1950a86a20f9469cfc6c`, little-endian.
const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
/// The first pickle, byte for byte, as far as every version writes it alike.
pub const START: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
const PROTOCOL: i64 = 1001;

/// The object of a file and the bytes of its storages.
#[derive(Debug)]
pub struct Legacy {
    pub pickle: Pickle,
    pub storages: HashMap<Bytes, Bytes>,
}

/// Reads a whole file.
pub fn read(file: &Bytes, limits: Limits) -> Result<Legacy, PickleError> {
    let start = read_header(file)?;
    let (pickle, keys_start) = Pickle::read(file, start, limits)?;
    let (keys, end) = Pickle::read(file, keys_start, Limits { storages_in_bytes: false, ..limits })?;
    let failed = |offset, what| PickleError { offset, problem: Problem::Malformed(what) };
    let mut dtypes: HashMap<Bytes, (Dtype, u64)> = HashMap::new();
    for storage in pickle.storages() {
        if let Place::Keyed { key, num_elements, .. } = &storage.place {
            let known = *dtypes.entry(key.clone()).or_insert((storage.dtype, *num_elements));
            if known != (storage.dtype, *num_elements) {
                return Err(failed(start, "two storages under one key"));
            }
        }
    }
    let keys = keys.root().items().ok_or_else(|| failed(keys_start, "keys that are no list"))?;
    let mut at = end;
    let mut storages = HashMap::with_capacity(keys.len());
    for key in keys {
        let key = key.as_str().and_then(|key| dtypes.get_key_value(key.as_bytes()));
        let (key, &(dtype, count)) = key.ok_or_else(|| failed(keys_start, "a key without a storage"))?;
        let bytes =
            read_values(file, at, dtype, count).map_err(|problem| PickleError { offset: at, problem })?;
        at += 8 + bytes.len();
        if storages.insert(key.clone(), bytes).is_some() {
            return Err(failed(keys_start, "a key that is there twice"));
        }
    }
    if at != file.len() {
        return Err(failed(at, "bytes after the end"));
    }
    Ok(Legacy { pickle, storages })
}

/// Reads a file whose object is one storage.
pub fn read_storage(file: Bytes) -> Result<Storage, PickleError> {
    let Legacy { pickle, storages } = read(&file, Limits::STORAGE)?;
    let bytes = match pickle.root().as_storage() {
        Some(Storage { dtype, place: Place::Keyed { key, view: None, .. } }) => {
            storages.get(key).map(|bytes| (*dtype, bytes.clone()))
        }
        _ => None,
    };
    match bytes {
        Some((dtype, bytes)) => Ok(Storage { dtype, place: Place::Inline(bytes) }),
        None => Err(PickleError { offset: 0, problem: Problem::Malformed("no storage where one should be") }),
    }
}

/// The three pickles in front; gives where they end.
fn read_header(file: &Bytes) -> Result<usize, PickleError> {
    let failed = |offset, what| PickleError { offset, problem: Problem::Malformed(what) };
    let (magic, protocol_start) = Pickle::read(file, 0, Limits::STORAGE)?;
    if magic.root().as_long().is_none_or(|magic| magic[..] != MAGIC) {
        return Err(failed(0, "no magic number of torch's"));
    }
    let (protocol, system_start) = Pickle::read(file, protocol_start, Limits::STORAGE)?;
    if protocol.root().as_int() != Some(PROTOCOL) {
        return Err(failed(protocol_start, "a protocol other than 1001"));
    }
    let (system, end) = Pickle::read(file, system_start, Limits::STORAGE)?;
    match system.root().get("little_endian").and_then(|value| value.as_bool()) {
        Some(true) => Ok(end),
        _ => Err(failed(system_start, "numbers that are not little-endian")),
    }
}

/// A count, then as many values.
fn read_values(file: &Bytes, at: usize, dtype: Dtype, count: u64) -> Result<Bytes, Problem> {
    let stored =
        file[at..].first_chunk().map(|bytes| u64::from_le_bytes(*bytes)).ok_or(Problem::Truncated)?;
    if stored != count {
        return Err(Problem::Malformed("a storage of another length than its pickle says"));
    }
    let start = at + 8;
    let left = file.len() - start;
    let len = count.checked_mul(dtype.size() as u64).and_then(|len| usize::try_from(len).ok());
    let len = len.filter(|&len| len <= left).ok_or(Problem::Truncated)?;
    Ok(file.slice(start..start + len))
}
