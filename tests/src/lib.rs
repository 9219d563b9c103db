//! The harness of the end-to-end tests: a real redis-server, a real S3 server over TCP, real worker processes.
//! Everything is on free ports or private sockets and ends with the value that holds it.

#![allow(clippy::disallowed_macros, reason = "the words of a test")]

pub mod chaos;
pub mod fashion_mnist;
mod fleet;
pub mod hook;
mod http_server;
pub mod lab;
pub mod mount;
mod process;
pub mod published;
mod recorder;
pub mod secure_redis;
mod specs;

pub use fleet::{Fleet, RunFiles};
pub use http_server::{Counts, HttpServer, Served};
pub use process::{Outcome, Process, binary, repository};
pub use recorder::{Asked, Recorder};
pub use specs::unread_detector;
