//! Taking chunks.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use redis::cmd;
use tokio::time::{Instant, sleep};

use super::{
    Queue, QueueSettings,
    claim::{Burial, Claim},
    error::QueueError,
    leases::Leases,
    link::Link,
    scripts,
};
use crate::failpoint::{Bug, planted};
use fidelis_contract::{
    dead::DeadChunk,
    ids::{ChunkIndex, PoolId, RunId},
    keys,
    wire::ChunkTask,
};

/// A waiting consumer looks this often for what others left behind: expired leases, chunks given back, new pools.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How many workers may die while they only look whether a spent chunk is stored.
const LAST_LOOKS: u64 = 3;

/// Messages that a consumer remembers to have been given: more than it ever has in hand.
const MAX_KNOWN: usize = 8;

/// One taker of chunks.
#[derive(Debug)]
pub struct Consumer {
    link: Arc<Link>,
    /// A connection of its own: a blocking read holds up everything behind it.
    waiting: Link,
    leases: Leases,
    settings: QueueSettings,
    preferred: Option<PoolId>,
    /// The last messages that we were given: another one in our hands is one whose handing over we missed.
    known: VecDeque<String>,
    /// Pools left to others until then.
    avoided: HashMap<PoolId, Instant>,
    /// Of the last claim.
    waited: Duration,
}

/// What the `take` script returns of a message: place of its stream, id, fields, deliveries, last owner, whether it was
/// counted as done.
type Taken = (usize, String, HashMap<String, Vec<u8>>, u64, String, u64);

impl Consumer {
    pub(super) fn new(queue: &Queue, name: &str) -> Self {
        Self {
            link: queue.link.clone(),
            waiting: queue.link.sibling(),
            leases: Leases::new(queue.link.clone(), name, queue.settings),
            settings: queue.settings,
            preferred: None,
            known: VecDeque::new(),
            avoided: HashMap::new(),
            waited: Duration::ZERO,
        }
    }

    /// The handle on what this consumer claims.
    pub fn leases(&self) -> Leases {
        self.leases.clone()
    }

    /// Takes the next chunk, waiting up to `block` for one. The most urgent pool goes first, among equals the one
    /// of the last claim; in a pool, what others dropped goes before what is new. Dead and damaged messages are
    /// buried on the way. Where nothing is left, a chunk that takes somebody unusually long may be taken as a copy.
    /// Survives a flushed Redis.
    ///
    /// Dropping the future while it waits loses nothing.
    ///
    /// # Errors
    /// [`QueueError::Unreachable`], [`QueueError::Redis`].
    pub async fn claim(&mut self, block: Duration) -> Result<Option<Claim>, QueueError> {
        let deadline = Instant::now() + block;
        self.waited = Duration::ZERO;
        loop {
            let pools = self.pools().await?;
            let streams: Vec<String> = pools.iter().map(keys::redis_stream).collect();
            let (taken, last_ids) = self.take(&pools).await?;
            if let Some(taken) = taken {
                self.known.truncate(MAX_KNOWN - 1);
                self.known.push_front(taken.1.clone());
                match self.admit(&pools, taken, false).await? {
                    Some(claim) => {
                        self.preferred = Some(claim.pool.clone());
                        return Ok(Some(claim));
                    }
                    None => continue,
                }
            }
            if let Some(taken) = self.take_copy(&pools).await? {
                return self.admit(&pools, taken, true).await;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            let begun = Instant::now();
            self.wait(&streams, &last_ids, left.min(LOOK_AGAIN)).await?;
            self.waited += begun.elapsed();
        }
    }

    /// For how long there was nothing to take during the last claim.
    pub fn waited(&self) -> Duration {
        self.waited
    }

    /// Leaves a pool to others for a while.
    pub fn avoid(&mut self, pool: &PoolId, time: Duration) {
        self.avoided.insert(pool.clone(), Instant::now() + time);
    }

    async fn pools(&mut self) -> Result<Vec<PoolId>, QueueError> {
        let mut ask = cmd("ZRANGE");
        ask.arg(keys::REDIS_POOLS).arg(0).arg(-1);
        let names: Vec<String> = self.link.query("list pools", &ask).await?;
        self.avoided.retain(|_, until| *until > Instant::now());
        let mut pools: Vec<PoolId> = names.iter().filter_map(|name| name.parse().ok()).collect();
        pools.retain(|pool| !self.avoided.contains_key(pool));
        let preferred = self.preferred.as_ref();
        pools.sort_by_key(|pool| (std::cmp::Reverse(pool.priority()), Some(pool) != preferred));
        Ok(pools)
    }

    async fn take(&self, pools: &[PoolId]) -> Result<(Option<Taken>, Vec<String>), QueueError> {
        if pools.is_empty() {
            return Ok((None, Vec::new()));
        }
        let mut call = scripts::TAKE.prepare_invoke();
        call.key(keys::REDIS_WORKERS);
        for pool in pools {
            call.key(keys::redis_stream(pool)).key(keys::redis_taken(pool));
        }
        call.arg(keys::REDIS_GROUP).arg(self.leases.consumer()).arg(self.lease_ms().await?);
        call.arg(keys::REDIS_DONE).arg(self.known.iter().map(String::as_str).collect::<Vec<_>>());
        self.link.script("claim a chunk", &call).await
    }

    async fn take_copy(&self, pools: &[PoolId]) -> Result<Option<Taken>, QueueError> {
        if pools.is_empty() {
            return Ok(None);
        }
        let mut call = scripts::COPY.prepare_invoke();
        for pool in pools {
            call.key(keys::redis_stream(pool)).key(keys::redis_taken(pool)).key(keys::redis_copies(pool));
        }
        call.arg(keys::REDIS_GROUP).arg(self.leases.consumer()).arg(self.lease_ms().await?);
        call.arg(keys::REDIS_TIMES).arg(keys::REDIS_RUN);
        self.link.script("look for a straggler", &call).await
    }

    async fn lease_ms(&self) -> Result<u64, QueueError> {
        let lease_ms = self.settings.lease.as_millis().max(1) as u64;
        if !planted(Bug::LeaseByWorkerClock) {
            return Ok(lease_ms);
        }
        let (server_s, _): (i64, u64) = self.link.query("read its clock", &cmd("TIME")).await?;
        let ours_s = UNIX_EPOCH.elapsed().map_or(0, |elapsed| elapsed.as_secs() as i64);
        Ok((lease_ms as i64 - 1000 * (ours_s - server_s)).max(0) as u64)
    }

    /// Waits until a message is added behind `last_ids`, at most `time`. A plain XREAD takes nothing, so it may
    /// be dropped at any moment.
    async fn wait(&self, streams: &[String], last_ids: &[String], time: Duration) -> Result<(), QueueError> {
        if streams.is_empty() {
            sleep(time.min(LOOK_AGAIN / 5)).await;
            return Ok(());
        }
        let mut read = cmd("XREAD");
        read.arg("COUNT").arg(1).arg("BLOCK").arg(time.as_millis().max(1) as u64);
        read.arg("STREAMS").arg(streams).arg(last_ids);
        self.waiting.query::<redis::Value>("wait for chunks", &read).await.map(drop)
    }

    /// Reads a message; `None` when it had to be buried.
    async fn admit(
        &self,
        pools: &[PoolId],
        taken: Taken,
        is_copy: bool,
    ) -> Result<Option<Claim>, QueueError> {
        let (place, id, fields, deliveries, last_owner, done) = taken;
        let Some(pool) = place.checked_sub(1).and_then(|place| pools.get(place)) else {
            let problem = format!("message `{id}` of no known pool");
            return Err(QueueError::Record { url: self.link.url().to_owned(), problem });
        };
        let message = fields.get("task").map_or(&[][..], Vec::as_slice);
        let max_deliveries = u64::from(self.settings.max_deliveries);
        let task = match ChunkTask::decode(message) {
            Ok(task) => task,
            Err(error) => {
                let of = plain_name(&fields);
                let record = DeadChunk {
                    chunk: of.as_ref().map_or(0, |(_, chunk)| *chunk),
                    cause: error.to_string(),
                    worker: last_owner,
                    device: String::new(),
                    deliveries: deliveries.min(max_deliveries),
                    log: Vec::new(),
                };
                tracing::warn!(%pool, id, cause = record.cause, "message buried");
                self.leases.bury(&Burial { pool, id: &id, message, of }, &record).await?;
                return Ok(None);
            }
        };
        let is_spent = deliveries > max_deliveries;
        let may_be_stored = deliveries > 1 || done > 0;
        let pool = pool.clone();
        let claim = Claim { id, pool, task, deliveries, last_owner, is_spent, is_copy, may_be_stored };
        if deliveries <= max_deliveries + LAST_LOOKS {
            return Ok(Some(claim));
        }
        tracing::warn!(pool = %claim.pool, id = claim.id, chunk = claim.task.chunk, "it kills whoever looks at it: buried");
        self.leases.give_up_spent(&claim).await?;
        Ok(None)
    }
}

/// Which chunk a message is about, from the plain fields beside the encoded task: a run whose message is damaged
/// must still end.
fn plain_name(fields: &HashMap<String, Vec<u8>>) -> Option<(RunId, ChunkIndex)> {
    let text = |name| std::str::from_utf8(fields.get(name)?).ok();
    Some((text("run")?.parse().ok()?, text("chunk")?.parse().ok()?))
}
