//! The fleet's servers on one machine: a real `redis-server` child and an S3 server in this process.
//!
//! Both serve the same protocols as a fleet's, so nothing else in the house knows that they are local.

mod redis_server;
mod s3_atomic;
mod s3_server;

pub use redis_server::{RedisServer, RedisServerError};
pub use s3_server::{S3Server, S3ServerError};
