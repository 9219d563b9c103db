//! Looking at runs, and forgetting them.

use std::collections::HashMap;

use redis::cmd;

use super::{Queue, error::QueueError, record::DeadChunk, scripts};
use crate::{ids::RunId, keys};

/// What Redis knows of a run, all read at one moment. Chunks that were stored before Redis knew the run count as
/// neither done nor queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Chunks acknowledged, each counted once.
    pub done_chunks: u64,
    /// Images in them.
    pub done_images: u64,
    /// Chunks given up.
    pub dead_chunks: u64,
    /// Chunks waiting or in a worker's hands.
    pub queued: u64,
    /// Chunks of the whole run.
    pub num_chunks: u64,
    /// Images of the whole run.
    pub num_images: u64,
}

impl Queue {
    /// How far a run is; `None` when Redis does not know it, for example after a flush.
    ///
    /// # Errors
    /// [`QueueError::Unreachable`], [`QueueError::Redis`].
    pub async fn progress(&self, run: &RunId) -> Result<Option<Progress>, QueueError> {
        let mut call = scripts::PROGRESS.prepare_invoke();
        call.key(keys::redis_run(run)).key(keys::redis_queued(run));
        call.key(keys::redis_done(run)).key(keys::redis_dead_chunks(run));
        let counts: Option<[u64; 6]> = self.link.script("read a run's progress", &call).await?;
        Ok(counts.map(|[num_chunks, num_images, done_images, done_chunks, dead_chunks, queued]| Progress {
            done_chunks,
            done_images,
            dead_chunks,
            queued,
            num_chunks,
            num_images,
        }))
    }

    /// The run's chunks that were given up, in order.
    ///
    /// # Errors
    /// [`QueueError::Unreachable`], [`QueueError::Redis`], [`QueueError::Record`].
    pub async fn dead_chunks(&self, run: &RunId) -> Result<Vec<DeadChunk>, QueueError> {
        let mut ask = cmd("HGETALL");
        ask.arg(keys::redis_dead_chunks(run));
        let records: HashMap<String, String> = self.link.query("list dead chunks", &ask).await?;
        let mut dead = Vec::with_capacity(records.len());
        for (chunk, record) in &records {
            dead.push(serde_json::from_str::<DeadChunk>(record).map_err(|error| QueueError::Record {
                url: self.url().to_owned(),
                problem: format!("dead chunk `{chunk}` of run `{run}`: {error}"),
            })?);
        }
        dead.sort_unstable_by_key(|dead| dead.chunk);
        Ok(dead)
    }

    /// Removes a finished run's counters, and pools that are empty.
    ///
    /// # Errors
    /// [`QueueError::Unreachable`], [`QueueError::Redis`]; safe to repeat.
    pub async fn forget(&self, run: &RunId) -> Result<(), QueueError> {
        let mut remove = cmd("DEL");
        remove.arg(keys::redis_run(run)).arg(keys::redis_queued(run));
        remove.arg(keys::redis_done(run)).arg(keys::redis_dead_chunks(run));
        let _: u64 = self.link.query("forget a run", &remove).await?;
        let mut list = cmd("ZRANGE");
        list.arg(keys::REDIS_POOLS).arg(0).arg(-1);
        let pools: Vec<String> = self.link.query("list pools", &list).await?;
        for pool in pools.iter().filter_map(|name| name.parse().ok()) {
            let mut call = scripts::PRUNE.prepare_invoke();
            call.key(keys::REDIS_POOLS).key(keys::redis_stream(&pool)).arg(pool.as_str());
            let _: u64 = self.link.script("remove an empty pool", &call).await?;
        }
        Ok(())
    }
}
