//! What is kept of a chunk that is given up.

use serde::{Deserialize, Serialize};

use crate::ids::ChunkIndex;

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
