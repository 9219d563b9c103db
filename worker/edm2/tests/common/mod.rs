//! What the golden tests share.

#![allow(clippy::disallowed_macros, reason = "the words of a test")]

use std::path::{Path, PathBuf};

use fidelis_edm2::checkpoint::TensorFile;
use tch::{Kind, Tensor};

pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures").join(name)
}

#[allow(dead_code)]
pub fn tensors(name: &str) -> TensorFile {
    TensorFile::read(&fixture(name)).unwrap()
}

/// Prints the largest difference, absolute and over the largest magnitude of `expected`; the latter must not be above
/// `tolerance`.
#[allow(dead_code)]
pub fn check(what: &str, found: &Tensor, expected: &Tensor, tolerance: f64) {
    assert_eq!(found.size(), expected.size(), "{what}");
    let (found, expected) = (found.to_kind(Kind::Double), expected.to_kind(Kind::Double));
    let largest = (found - &expected).abs().max().double_value(&[]);
    let relative = largest / expected.abs().max().double_value(&[]);
    println!("{what}: max-abs {largest:.2e}, relative {relative:.2e}");
    assert!(relative <= tolerance, "{what}: {relative:.2e} is above {tolerance:.0e}");
}

/// One thread for a test: torch's own would spin against those of the tests beside it.
#[allow(dead_code)]
pub fn quiet() -> tch::NoGradGuard {
    tch::set_num_threads(1);
    tch::no_grad_guard()
}
