//! Inception and DINOv2 under recipe weights against an independent implementation (tests/fixtures), preprocessing
//! included, to 1e-4 of the largest magnitude.

mod common;

use common::agreement::agree;
use common::place::Place;
use common::{golden::detectors, quiet};

#[test]
fn inception_in_both_modes() {
    let _guard = quiet();
    agree(&detectors::inception(Place::of_test()));
}

#[test]
fn dinov2() {
    let _guard = quiet();
    tch::set_num_threads(2);
    agree(&detectors::dinov2(Place::of_test()));
}
