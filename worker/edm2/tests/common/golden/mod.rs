//! Comparisons with an independent implementation (tests/fixtures), on any device.

pub mod detectors;
pub mod encoders;
pub mod nets;
pub mod sampling;
