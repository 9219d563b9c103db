//! A chunk in a worker's hands.

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

/// A message to be given up.
pub(super) struct Burial<'a> {
    pub(super) pool: &'a PoolId,
    pub(super) id: &'a str,
    pub(super) message: &'a [u8],
    /// `None` when the message does not tell.
    pub(super) of: Option<(RunId, ChunkIndex)>,
}
