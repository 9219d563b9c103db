//! How long a chunk takes: the last one of the same run tells.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use fidelis_contract::{ids::Digest, wire::ChunkTask};

/// The last chunk's time, from its claim until it was stored.
#[derive(Debug, Default)]
pub struct Pace(Mutex<Option<(Digest, Duration)>>);

impl Pace {
    /// Remembers how long a chunk took.
    pub fn note(&self, task: &ChunkTask, took: Duration) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((task.spec_digest, took));
    }

    /// How long a chunk will take; `None` before the first of its run.
    pub fn expected(&self, task: &ChunkTask) -> Option<Duration> {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.filter(|(digest, _)| *digest == task.spec_digest).map(|(_, took)| took)
    }
}
