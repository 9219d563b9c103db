//! A training's files in S3: what it reads by ranges, and what it leaves.

mod data;
mod outdir;

pub use data::{Data, open};
pub use outdir::StoreFolder;
