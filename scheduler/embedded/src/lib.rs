//! A fleet without machines of its own: a real `redis-server` child, an S3 server in this process, worker processes.
//!
//! All speak the same protocols as a fleet's, so nothing else in the house knows that they are local. `fidelis local` and
//! `fidelis up` use them, and so do the tests.

mod fleet;
mod folder;
mod older;
mod redis_server;
mod s3_folder;
mod s3_listing;
mod s3_server;
mod store;
mod uploads;
mod workers;

pub use fleet::{BUCKET, LocalError, LocalFleet};
pub use redis_server::{RedisServer, RedisServerError};
pub use s3_folder::FolderS3;
pub use s3_server::{S3Server, S3ServerError};
pub use store::LocalStore;
pub use workers::{WorkerCommand, WorkerSlot, Workers, WorkersError, find_worker};
