//! What the golden tests share, also with the checks that travel to a machine with a GPU (examples/device-check).

#![allow(dead_code)]
#![allow(clippy::disallowed_macros, reason = "the words of a test")]

pub mod agreement;
pub mod golden;
pub mod place;

use std::env;
use std::path::{Path, PathBuf};

use fidelis_edm2::checkpoint::TensorFile;

/// A file of tests/fixtures, or of the folder that `FIDELIS_FIXTURES` names: a test that travels finds no sources.
pub fn fixture(name: &str) -> PathBuf {
    let ours = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures");
    env::var_os("FIDELIS_FIXTURES").map_or_else(ours, PathBuf::from).join(name)
}

pub fn tensors(name: &str) -> TensorFile {
    TensorFile::read(&fixture(name)).unwrap()
}

/// One thread for a test: torch's own would spin against those of the tests beside it.
#[allow(dead_code)]
pub fn quiet() -> tch::NoGradGuard {
    tch::set_num_threads(1);
    tch::no_grad_guard()
}
