//! A chunk in a worker's hands.

use std::time::Duration;

use fidelis_contract::{
    dead::DeadChunk,
    ids::{ChunkIndex, PoolId, RunId},
    wire::ChunkTask,
};

/// A chunk in our hands, until its lease runs out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The message's id in its stream.
    pub id: String,
    /// The pool it came from.
    pub pool: PoolId,
    /// What to make.
    pub task: ChunkTask,
    /// How often it was handed out, this time included.
    pub deliveries: u64,
    /// Whose hands it was in before; our own name for one that is new.
    pub last_owner: String,
    /// Its workers died as often as they may: what one of them stored counts, nothing is tried again.
    pub is_spent: bool,
    /// A second try at a chunk that somebody else holds for long: whatever becomes of ours, the chunk stays theirs.
    pub is_copy: bool,
    /// It was in somebody's hands before, or counted as done: the store may have it. Else it has not, unless Redis forgot.
    pub may_be_stored: bool,
}

impl Claim {
    pub(super) fn burial<'a>(&'a self, message: &'a [u8]) -> Burial<'a> {
        Burial { pool: &self.pool, id: &self.id, message, of: Some((self.task.run.clone(), self.task.chunk)) }
    }

    /// What is kept of a chunk whose workers died, after so many attempts.
    pub(super) fn obituary(&self, max_deliveries: u32) -> DeadChunk {
        DeadChunk {
            chunk: self.task.chunk,
            cause: format!("died `{max_deliveries}` times in workers' hands"),
            worker: self.last_owner.clone(),
            device: String::new(),
            deliveries: max_deliveries.into(),
            log: Vec::new(),
        }
    }
}

/// What a device did, and what it could have done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeviceTime {
    /// It made images.
    pub busy: Duration,
    /// There were chunks to be had, and it did nothing.
    pub idle: Duration,
}

impl DeviceTime {
    /// The idle share of both; `None` before anything was made.
    pub fn idle_share(&self) -> Option<f64> {
        let all = (self.busy + self.idle).as_secs_f64();
        (all > 0.0).then(|| self.idle.as_secs_f64() / all)
    }
}

/// A message to be given up.
pub(super) struct Burial<'a> {
    pub(super) pool: &'a PoolId,
    pub(super) id: &'a str,
    pub(super) message: &'a [u8],
    /// `None` when the message does not tell.
    pub(super) of: Option<(RunId, ChunkIndex)>,
}
