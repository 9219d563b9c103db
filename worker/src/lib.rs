//! The worker of fidelis: owns one device; claims a chunk, samples, decodes, extracts features, stores, acknowledges.

pub mod cli;
pub mod engine;
mod far;
mod fetching;
pub mod interrupt;
pub mod lease;
pub mod logs;
mod page;
pub mod run;
