//! Looking at runs, calling them off, and forgetting them.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use redis::cmd;
use serde::de::DeserializeOwned;

use super::{DeviceTime, Queue, error::QueueError, record::UnfitWorker, scripts};
use fidelis_contract::{
    dead::DeadChunk,
    ids::{ChunkIndex, PoolId, RunId},
    keys,
    run::Run,
};

/// Chunks that one settle script looks at.
const SETTLE_BATCH: usize = 500;

/// Messages that one cancel script looks at: short enough that renewals get in between.
const CANCEL_BATCH: u64 = 1000;

/// What Redis knows of a run, all read at one moment. Chunks that were stored before Redis knew the run count as
/// neither done nor queued.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Chunks acknowledged, each counted once.
    pub done_chunks: u64,
    /// Images in them.
    pub done_images: u64,
    /// Chunks given up.
    pub dead_chunks: u64,
    /// Chunks waiting or in a worker's hands.
    pub queued: u64,
    /// Chunks called off before they were made.
    pub cancelled_chunks: u64,
    /// Whether the run was cancelled, and not submitted again since.
    pub is_cancelled: bool,
    /// Chunks ever queued, each counted once. Once nothing is queued, they are done, dead or cancelled (I10).
    pub submitted_chunks: u64,
    /// Chunks at a run's tail that an idle worker has made a second time.
    pub copies: u64,
    /// Workers that told something of a chunk in hand.
    pub making_workers: u64,
    /// Images of such chunks that are made, and not stored yet.
    pub making_images: u64,
    /// Chunks of the whole run.
    pub num_chunks: u64,
    /// Images of the whole run.
    pub num_images: u64,
    /// What the devices did for the chunks that are done, all of them together.
    pub device: DeviceTime,
}

impl Queue {
    /// How far a run is; `None` when Redis does not know it, for example after a flush.
    ///
    /// # Errors
    /// [`QueueError::Unreachable`], [`QueueError::Redis`].
    pub async fn progress(&self, run: &RunId) -> Result<Option<Progress>, QueueError> {
        let mut call = scripts::PROGRESS.prepare_invoke();
        call.key(keys::redis_run(run)).key(keys::redis_queued(run)).key(keys::redis_done(run));
        call.key(keys::redis_dead_chunks(run)).key(keys::redis_cancelled(run)).key(keys::redis_making(run));
        let counts: HashMap<String, u64> = self.link.script("read a run's progress", &call).await?;
        let count = |name: &str| counts.get(name).copied().unwrap_or_default();
        Ok((!counts.is_empty()).then(|| Progress {
            done_chunks: count("done_chunks"),
            done_images: count("done_images"),
            dead_chunks: count("dead_chunks"),
            queued: count("queued"),
            cancelled_chunks: count("cancelled_chunks"),
            is_cancelled: count("cancelled") == 1,
            submitted_chunks: count("submitted"),
            copies: count("copies"),
            making_workers: count("making_workers"),
            making_images: count("making_images"),
            num_chunks: count("num_chunks"),
            num_images: count("num_images"),
            device: DeviceTime {
                busy: Duration::from_micros(count("device_busy_us")),
                idle: Duration::from_micros(count("device_idle_us")),
            },
        }))
    }

    /// Calls a run off: what waits is taken out of the queue, and out of workers' hands, who notice at their next
    /// renewal. Nothing of it is queued again before [`resume`](Self::resume). Returns how many chunks it hit.
    ///
    /// # Errors
    /// [`QueueError::Unreachable`], [`QueueError::Redis`]; safe to repeat.
    pub async fn cancel(&self, run: &Run) -> Result<u64, QueueError> {
        let mut cancelled = 0;
        // One that was submitted at several priorities is in several pools.
        let mut pools = self.pools().await?;
        let (own, plan) = (run.spec.pool(), &run.plan);
        if !pools.contains(&own) {
            pools.push(own);
        }
        for pool in pools {
            let mut from = "-".to_owned();
            while !from.is_empty() {
                let mut call = scripts::CANCEL.prepare_invoke();
                call.key(keys::redis_stream(&pool)).key(keys::redis_run(&run.id));
                call.key(keys::redis_queued(&run.id)).key(keys::redis_cancelled(&run.id));
                call.key(keys::redis_taken(&pool)).key(keys::redis_making(&run.id));
                call.arg(keys::REDIS_GROUP).arg(run.id.as_str());
                call.arg(plan.num_chunks()).arg(plan.num_images()).arg(&from).arg(CANCEL_BATCH);
                let (hit, next): (u64, String) = self.link.script("cancel a run", &call).await?;
                (cancelled, from) = (cancelled + hit, next);
            }
        }
        Ok(cancelled)
    }

    /// Lets a cancelled run be queued again; true when it was one.
    ///
    /// # Errors
    /// [`QueueError::Unreachable`], [`QueueError::Redis`]; safe to repeat.
    pub async fn resume(&self, run: &RunId) -> Result<bool, QueueError> {
        let mut clear = cmd("HDEL");
        clear.arg(keys::redis_run(run)).arg("cancelled");
        self.link.query("resume a run", &clear).await
    }

    /// Counts chunks as done that the store has, of a run that was given up or called off: their workers may have died
    /// before they could say so (I10). Each comes with its number of images. Returns how many there were.
    ///
    /// # Errors
    /// [`QueueError::Unreachable`], [`QueueError::Redis`]; safe to repeat.
    pub async fn settle(&self, run: &RunId, stored: &[(ChunkIndex, u64)]) -> Result<u64, QueueError> {
        let mut settled = 0;
        for batch in stored.chunks(SETTLE_BATCH) {
            let mut call = scripts::SETTLE.prepare_invoke();
            call.key(keys::redis_run(run)).key(keys::redis_done(run));
            call.key(keys::redis_dead_chunks(run)).key(keys::redis_cancelled(run));
            for (chunk, num_images) in batch {
                call.arg(*chunk).arg(*num_images);
            }
            settled += self.link.script::<u64>("count what is stored", &call).await?;
        }
        Ok(settled)
    }

    /// The run's chunks that were given up, in order.
    ///
    /// # Errors
    /// [`QueueError::Unreachable`], [`QueueError::Redis`], [`QueueError::Record`].
    pub async fn dead_chunks(&self, run: &RunId) -> Result<Vec<DeadChunk>, QueueError> {
        let records = self.records::<DeadChunk>(keys::redis_dead_chunks(run), "list dead chunks").await?;
        let mut dead: Vec<DeadChunk> = records.into_iter().map(|(_, dead)| dead).collect();
        dead.sort_unstable_by_key(|dead| dead.chunk);
        Ok(dead)
    }

    /// The workers that said that they cannot make the run, by name.
    ///
    /// # Errors
    /// [`QueueError::Unreachable`], [`QueueError::Redis`], [`QueueError::Record`].
    pub async fn unfit_workers(&self, run: &RunId) -> Result<Vec<(String, UnfitWorker)>, QueueError> {
        let mut unfit = self.records(keys::redis_unfit(run), "list unfit workers").await?;
        unfit.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        Ok(unfit)
    }

    /// Why workers last handed a chunk of the run back, by name; those that finished one since are not there.
    ///
    /// # Errors
    /// [`QueueError::Unreachable`], [`QueueError::Redis`].
    pub async fn setbacks(&self, run: &RunId) -> Result<BTreeMap<String, String>, QueueError> {
        let mut ask = cmd("HGETALL");
        ask.arg(keys::redis_setbacks(run));
        self.link.query("list setbacks", &ask).await
    }

    async fn records<T: DeserializeOwned>(
        &self,
        key: String,
        operation: &'static str,
    ) -> Result<Vec<(String, T)>, QueueError> {
        let mut ask = cmd("HGETALL");
        ask.arg(&key);
        let records: HashMap<String, String> = self.link.query(operation, &ask).await?;
        let read = |(field, record): (String, String)| match serde_json::from_str(&record) {
            Ok(record) => Ok((field, record)),
            Err(error) => Err(QueueError::Record {
                url: self.url().to_owned(),
                problem: format!("`{field}` of `{key}`: {error}"),
            }),
        };
        records.into_iter().map(read).collect()
    }

    async fn pools(&self) -> Result<Vec<PoolId>, QueueError> {
        let mut list = cmd("ZRANGE");
        list.arg(keys::REDIS_POOLS).arg(0).arg(-1);
        let pools: Vec<String> = self.link.query("list pools", &list).await?;
        Ok(pools.iter().filter_map(|name| name.parse().ok()).collect())
    }

    /// Removes a finished run's counters, and pools that are empty.
    ///
    /// # Errors
    /// [`QueueError::Unreachable`], [`QueueError::Redis`]; safe to repeat.
    pub async fn forget(&self, run: &RunId) -> Result<(), QueueError> {
        let mut remove = cmd("DEL");
        remove.arg(keys::redis_run(run)).arg(keys::redis_queued(run)).arg(keys::redis_done(run));
        remove.arg(keys::redis_dead_chunks(run)).arg(keys::redis_cancelled(run));
        remove.arg(keys::redis_unfit(run)).arg(keys::redis_times(run)).arg(keys::redis_setbacks(run));
        remove.arg(keys::redis_making(run));
        let _: u64 = self.link.query("forget a run", &remove).await?;
        for pool in self.pools().await? {
            let mut call = scripts::PRUNE.prepare_invoke();
            call.key(keys::REDIS_POOLS).key(keys::redis_stream(&pool));
            call.key(keys::redis_taken(&pool)).key(keys::redis_copies(&pool)).key(keys::REDIS_WORKERS);
            call.arg(pool.as_str());
            let _: u64 = self.link.script("remove an empty pool", &call).await?;
        }
        Ok(())
    }
}
