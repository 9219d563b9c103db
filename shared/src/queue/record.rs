//! What is kept of a chunk that is given up, and of a worker that cannot make a run.

use serde::{Deserialize, Serialize};

use crate::ids::ChunkIndex;

/// Dead letters kept in Redis, about; older ones are trimmed.
pub(super) const MAX_DEAD_LETTERS: u32 = 10_000;

/// A chunk that was given up, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadChunk {
    /// Which chunk.
    pub chunk: ChunkIndex,
    /// One line.
    pub cause: String,
    /// Whose hands it was in last.
    pub worker: String,
    /// The device it was tried on; empty when it never got that far.
    pub device: String,
    /// How often it was handed out.
    pub deliveries: u64,
    /// The worker's last log lines about it.
    pub log: Vec<String>,
}

/// A worker that cannot make a run, as it said itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnfitWorker {
    /// How often it said so.
    pub reports: u64,
    /// One line.
    pub cause: String,
}
