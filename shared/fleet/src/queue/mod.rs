//! The queue: Redis Streams with one consumer group. It holds what is still missing, and may be lost at any time.
//!
//! A chunk is *queued* from [`Queue::enqueue`] until it is completed or dead. In between it is in the stream of its
//! pool, and in at most one worker's hands for as long as that worker renews its lease. Only Redis's clock is used.

mod admin;
mod claim;
mod consumer;
mod error;
mod leases;
mod link;
mod record;
mod scripts;

use std::{sync::Arc, time::Duration};

use redis::cmd;

pub use admin::Progress;
pub use claim::{Claim, DeviceTime};
pub use consumer::Consumer;
pub use error::QueueError;
pub use leases::{Declined, Failure, Leases, Verdict};
pub use record::UnfitWorker;

use crate::failpoint::{Point, reach};
use fidelis_contract::{ids::ChunkIndex, keys, run::Run, wire::ChunkTask};
use link::Link;

/// Chunks per enqueue script: short enough that renewals get in between.
const ENQUEUE_BATCH: usize = 500;

/// How patient the queue is with workers; all processes of a fleet use the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueSettings {
    /// A chunk whose lease was not renewed for this long is given to somebody else. Does not depend on how long
    /// a chunk takes.
    pub lease: Duration,
    /// How often a chunk is handed out before it is dead.
    pub max_deliveries: u32,
}

impl Default for QueueSettings {
    fn default() -> Self {
        Self { lease: Duration::from_secs(30), max_deliveries: 3 }
    }
}

/// A Redis server. Cheap to clone; reconnects by itself, so after a retryable error the same call may be made again.
#[derive(Debug, Clone)]
pub struct Queue {
    link: Arc<Link>,
    settings: QueueSettings,
}

impl Queue {
    /// Connects to `redis://`, `rediss://` or `unix://`, and checks that the server answers within 5 s and never
    /// evicts keys.
    ///
    /// # Errors
    /// Every [`QueueError`] but `Record`.
    pub async fn connect(url: &str, settings: QueueSettings) -> Result<Self, QueueError> {
        let link = Link::new(url)?;
        let _: String = link.query("answer a ping", &cmd("PING")).await?;
        check_eviction(&link).await?;
        Ok(Self { link: Arc::new(link), settings })
    }

    /// The server's url, secrets removed.
    pub fn url(&self) -> &str {
        self.link.url()
    }

    /// The settings given to [`connect`](Self::connect).
    pub fn settings(&self) -> QueueSettings {
        self.settings
    }

    /// Queues chunks of a run. A chunk that is queued already stays as it is; a dead one gets another chance;
    /// of a run that is cancelled, nothing is queued before [`resume`](Self::resume). Returns how many were added. Safe to repeat.
    ///
    /// # Errors
    /// [`QueueError::Unreachable`], [`QueueError::Redis`]; chunks before the failing batch are queued.
    pub async fn enqueue(&self, run: &Run, chunks: &[ChunkIndex]) -> Result<u64, QueueError> {
        let (pool, spec_digest, plan) = (run.spec.pool(), run.spec.digest(), &run.plan);
        let mut added = 0;
        for batch in chunks.chunks(ENQUEUE_BATCH) {
            let mut call = scripts::ENQUEUE.prepare_invoke();
            call.key(keys::redis_stream(&pool)).key(keys::REDIS_POOLS).key(keys::redis_run(&run.id));
            call.key(keys::redis_queued(&run.id)).key(keys::redis_done(&run.id));
            call.key(keys::redis_dead_chunks(&run.id)).key(keys::redis_cancelled(&run.id));
            call.key(keys::redis_unfit(&run.id));
            call.arg(keys::REDIS_GROUP).arg(pool.as_str()).arg(pool.priority());
            call.arg(plan.num_chunks()).arg(plan.num_images()).arg(run.id.as_str());
            for &chunk in batch {
                let task = ChunkTask { run: run.id.clone(), chunk, spec_digest };
                call.arg(chunk).arg(task.encode());
            }
            added += self.link.script::<u64>("enqueue chunks", &call).await?;
            reach(Point::SubmitMidEnqueue, None);
        }
        Ok(added)
    }

    /// A consumer with its own connection for waiting. The name must be unique per process start.
    pub fn consumer(&self, name: &str) -> Consumer {
        Consumer::new(self, name)
    }
}

async fn check_eviction(link: &Link) -> Result<(), QueueError> {
    let mut ask = cmd("CONFIG");
    ask.arg("GET").arg("maxmemory-policy");
    let reason = match link.query::<Vec<String>>("read its configuration", &ask).await {
        Ok(reply) => match reply.get(1).map(String::as_str) {
            Some("noeviction") => return Ok(()),
            Some(policy) => {
                return Err(QueueError::Eviction { url: link.url().to_owned(), policy: policy.to_owned() });
            }
            None => "no answer".to_owned(),
        },
        // Managed servers and narrow ACL users keep CONFIG to themselves.
        Err(QueueError::Redis { source, .. }) if !error::is_passing(&source) => source.to_string(),
        Err(error) => return Err(error),
    };
    tracing::warn!(
        url = link.url(),
        reason,
        "cannot read maxmemory-policy: make sure that it is `noeviction`"
    );
    Ok(())
}
