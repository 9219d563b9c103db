//! State dicts: as they are, and as the entries of a ZIP whose checksums are right.
#![no_main]

mod check;
#[path = "../../src/published/mod.rs"]
#[allow(dead_code, unused_imports)]
mod published;

use bytes::Bytes;
use fidelis_formats::state_dict;
use libfuzzer_sys::fuzz_target;
use zip::CompressionMethod;

fuzz_target!(|data: &[u8]| {
    decode(data.to_vec());
    // The first byte says how many bytes at the end are storages.
    let Some((&count, rest)) = data.split_first() else { return };
    let (pickle, storages) = rest.split_at(rest.len().saturating_sub(count.into()));
    let (first, second) = storages.split_at(storages.len() / 2);
    let entries = [("data.pkl", pickle), ("data/0", first), ("data/1", second)];
    let entries = entries.map(|(name, bytes)| (format!("archive/{name}"), bytes.to_vec()));
    decode(published::zip_entries(&entries, CompressionMethod::Stored));
});

fn decode(bytes: Vec<u8>) {
    match state_dict::decode(&Bytes::from(bytes)) {
        Ok(state) => check::tensors(&state),
        Err(error) => check::line(error),
    }
}
