//! The pickle machine over raw bytes.
#![no_main]

mod check;

use bytes::Bytes;
use fidelis_formats::pickle::{Limits, Pickle};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    match Pickle::read(&Bytes::copy_from_slice(data), 0, Limits::FILE) {
        Ok((pickle, end)) => {
            assert!(end <= data.len());
            let root = pickle.root();
            let _ = (root.kind(), root.get("ema"), root.as_object(), pickle.storages().count());
        }
        Err(error) => {
            assert!(error.offset <= data.len());
            check::line(error);
        }
    }
});
