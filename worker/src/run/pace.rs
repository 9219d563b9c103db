//! How long a chunk takes: the last one of the same run tells.

use std::time::Duration;

use fidelis_contract::{ids::Digest, wire::ChunkTask};

/// The last chunk's time.
#[derive(Debug, Default)]
pub struct Pace(Option<(Digest, Duration)>);

impl Pace {
    /// Remembers how long a chunk took.
    pub fn note(&mut self, task: &ChunkTask, took: Duration) {
        self.0 = Some((task.spec_digest, took));
    }

    /// How long a chunk will take; `None` before the first of its run.
    pub fn expected(&self, task: &ChunkTask) -> Option<Duration> {
        self.0.filter(|(digest, _)| *digest == task.spec_digest).map(|(_, took)| took)
    }
}
