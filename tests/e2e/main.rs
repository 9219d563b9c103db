//! End to end: real servers, real workers with the demo's nets, real signals.

mod arithmetic;
mod bad_input;
mod datasets;
mod demo;
mod devices;
mod faults;
mod house;
mod nets;
mod numbers;
mod operations;
mod published;
mod security;
