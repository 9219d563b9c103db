//! End to end: real servers, real workers with the demo's nets, real signals.

#![allow(clippy::disallowed_macros, reason = "the words of a test")]

mod arithmetic;
mod aws;
mod bad_input;
mod comparisons;
mod conduct;
mod datasets;
mod demo;
mod devices;
mod faults;
mod gpu_kit;
mod house;
mod images;
mod metrics;
mod nets;
mod numbers;
mod operations;
mod output;
mod published;
mod regress;
mod scores;
mod security;
mod sweeps;
mod targets;
mod training;
mod up;
