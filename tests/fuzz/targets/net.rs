//! Nets: published checkpoints and safetensors.
#![no_main]

mod check;

use bytes::Bytes;
use fidelis_formats::net;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    match net::decode(&Bytes::copy_from_slice(data)) {
        Ok(net) => {
            check::tensors(&net.tensors);
            net.config.check().unwrap();
            net::check_pair(&net.config, &net.config).unwrap();
        }
        Err(error) => check::line(error),
    }
});
