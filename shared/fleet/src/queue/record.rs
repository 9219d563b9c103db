//! What is kept of a worker that cannot make a run.

use serde::{Deserialize, Serialize};

/// Dead letters kept in Redis, about; older ones are trimmed.
pub(super) const MAX_DEAD_LETTERS: u32 = 10_000;

/// A worker that cannot make a run, as it said itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnfitWorker {
    /// How often it said so.
    pub reports: u64,
    /// One line.
    pub cause: String,
}
