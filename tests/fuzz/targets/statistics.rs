//! Statistics: as they are, and as the arrays of an `.npz` whose checksums are right.
#![no_main]

mod check;
#[path = "../../src/published/mod.rs"]
#[allow(dead_code, unused_imports)]
mod published;

use bytes::Bytes;
use fidelis_formats::stats;
use libfuzzer_sys::fuzz_target;
use zip::CompressionMethod;

fuzz_target!(|data: &[u8]| {
    decode(data.to_vec());
    let Some((&split, rest)) = data.split_first() else { return };
    let (mu, sigma) = rest.split_at(rest.len().min(split.into()));
    let entries = [("mu.npy", mu), ("sigma.npy", sigma), ("num_images.npy", mu)];
    let entries = entries.map(|(name, bytes)| (name.to_owned(), bytes.to_vec()));
    decode(published::zip_entries(&entries, CompressionMethod::Deflated));
});

fn decode(bytes: Vec<u8>) {
    let bytes = Bytes::from(bytes);
    for detector in [None, Some("inception"), Some("dinov2"), Some("other")] {
        match stats::decode(&bytes, detector) {
            Ok(statistics) => {
                let dim = statistics.dim();
                assert!(dim > 0 && statistics.sigma.len() == dim * dim);
                assert!(statistics.mu.iter().chain(&statistics.sigma).all(|x| x.is_finite()));
                stats::npz::encode(&statistics).unwrap();
            }
            Err(error) => check::line(error),
        }
    }
}
