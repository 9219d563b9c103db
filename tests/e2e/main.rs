//! End to end: real servers, real workers with the demo's nets, real signals.

mod bad_input;
mod datasets;
mod demo;
mod faults;
mod house;
mod images;
mod nets;
mod operations;
mod published;
mod security;
