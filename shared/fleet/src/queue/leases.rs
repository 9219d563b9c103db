//! What a worker does with a chunk in its hands.

use std::{sync::Arc, time::Duration};

use redis::ScriptInvocation;

use super::{
    DeviceTime, QueueSettings,
    claim::{Burial, Claim},
    error::QueueError,
    link::Link,
    record::MAX_DEAD_LETTERS,
    scripts,
};
use fidelis_contract::{dead::DeadChunk, ids::PoolId, keys};

/// A chunk's own failure, as the worker saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// One line.
    pub cause: String,
    /// The device it was tried on.
    pub device: String,
    /// The last log lines about it.
    pub log: Vec<String>,
}

/// What became of a failed chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It will be tried again, by whoever comes first.
    Retry,
    /// It is dead, with its cause kept.
    Dead,
}

/// What became of a chunk that a worker cannot make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Declined {
    /// It waits for a worker that can.
    Returned,
    /// No live worker can make it: it is dead, with the cause kept.
    Dead,
    /// It was no longer ours.
    Lost,
}

/// A worker of which nothing was heard for this many leases is not waited for.
const DEAD_AFTER_LEASES: u32 = 3;
/// Short leases of tests must not make a busy machine's workers dead.
const DEAD_AFTER_MIN: Duration = Duration::from_secs(10);

/// A consumer's hold on its claims. Cheap to clone, for use from other tasks than the one that claims.
#[derive(Debug, Clone)]
pub struct Leases {
    link: Arc<Link>,
    consumer: Arc<str>,
    settings: QueueSettings,
}

impl Leases {
    pub(super) fn new(link: Arc<Link>, consumer: &str, settings: QueueSettings) -> Self {
        Self { link, consumer: consumer.into(), settings }
    }

    /// The consumer's name.
    pub fn consumer(&self) -> &str {
        &self.consumer
    }

    /// Starts the lease anew. False: the chunk is no longer ours, or a copied one is done: stop working on it.
    ///
    /// # Errors
    /// [`QueueError::Unreachable`], [`QueueError::Redis`]; the lease runs on meanwhile.
    pub async fn renew(&self, claim: &Claim) -> Result<bool, QueueError> {
        let script = if claim.is_copy { &scripts::PENDING } else { &scripts::RENEW };
        let mut call = script.prepare_invoke();
        self.address(&mut call, &claim.pool, &claim.id);
        call.key(keys::REDIS_WORKERS);
        self.link.script("renew a lease", &call).await
    }

    /// Tells those who watch how many images of a chunk in hand are made. Nothing depends on it. False: it is no longer ours.
    ///
    /// # Errors
    /// [`QueueError::Unreachable`], [`QueueError::Redis`].
    pub async fn tell_made(&self, claim: &Claim, num_images: u64) -> Result<bool, QueueError> {
        let mut call = scripts::MAKING.prepare_invoke();
        self.address(&mut call, &claim.pool, &claim.id);
        call.key(keys::redis_making(&claim.task.run)).arg(claim.task.chunk).arg(num_images);
        self.link.script("tell how far a chunk is", &call).await
    }

    /// Acknowledges a chunk that the store has. False: somebody did so before, or Redis lost the message.
    ///
    /// # Errors
    /// [`QueueError::Unreachable`], [`QueueError::Redis`]; safe to repeat.
    pub async fn complete(&self, claim: &Claim, num_images: u64) -> Result<bool, QueueError> {
        self.complete_timed(claim, num_images, DeviceTime::default()).await
    }

    /// Acknowledges as [`complete`](Self::complete) does, and tells what the device did for the chunk.
    ///
    /// # Errors
    /// Those of [`complete`](Self::complete).
    pub async fn complete_timed(
        &self,
        claim: &Claim,
        num_images: u64,
        device: DeviceTime,
    ) -> Result<bool, QueueError> {
        let run = &claim.task.run;
        let mut call = scripts::COMPLETE.prepare_invoke();
        call.key(keys::redis_stream(&claim.pool)).key(keys::redis_run(run)).key(keys::redis_queued(run));
        call.key(keys::redis_done(run)).key(keys::redis_dead_chunks(run)).key(keys::redis_cancelled(run));
        call.key(keys::redis_taken(&claim.pool)).key(keys::redis_copies(&claim.pool));
        call.key(keys::redis_times(run)).key(keys::redis_setbacks(run)).key(keys::redis_making(run));
        call.arg(keys::REDIS_GROUP).arg(&claim.id).arg(claim.task.chunk).arg(num_images).arg(&*self.consumer);
        call.arg(device.busy.as_micros() as u64).arg(device.idle.as_micros() as u64);
        self.link.script("complete a chunk", &call).await
    }

    /// Reports a failure of the chunk's own fault. The delivery counts; the last one allowed makes the chunk dead.
    /// A chunk that is no longer ours is left to its new holder: `Retry`.
    ///
    /// # Errors
    /// [`QueueError::Unreachable`], [`QueueError::Redis`]; then the lease runs out and the delivery counts too.
    pub async fn fail(&self, claim: &Claim, failure: &Failure) -> Result<Verdict, QueueError> {
        if claim.deliveries < u64::from(self.settings.max_deliveries) {
            self.release(claim, claim.deliveries, "").await?;
            return Ok(Verdict::Retry);
        }
        let dead = self.give_up(claim, failure).await?;
        Ok(if dead { Verdict::Dead } else { Verdict::Retry })
    }

    /// Makes a chunk dead at once: for a failure that trying again would only repeat. False: it was no longer ours.
    ///
    /// # Errors
    /// [`QueueError::Unreachable`], [`QueueError::Redis`]; then the lease runs out and the delivery counts.
    pub async fn give_up(&self, claim: &Claim, failure: &Failure) -> Result<bool, QueueError> {
        let record = DeadChunk {
            chunk: claim.task.chunk,
            cause: failure.cause.clone(),
            worker: self.consumer.to_string(),
            device: failure.device.clone(),
            deliveries: claim.deliveries,
            log: failure.log.clone(),
        };
        self.bury(&claim.burial(&claim.task.encode()), &record).await
    }

    /// Makes a spent chunk dead that is not stored: its workers' deaths are the cause. False: it was no longer ours.
    ///
    /// # Errors
    /// [`QueueError::Unreachable`], [`QueueError::Redis`]; then the lease runs out, and the next one looks.
    pub async fn give_up_spent(&self, claim: &Claim) -> Result<bool, QueueError> {
        self.bury(&claim.burial(&claim.task.encode()), &claim.obituary(self.settings.max_deliveries)).await
    }

    /// Gives a chunk back at once, as if it had never been taken: eviction and the like are nobody's fault (I8). The
    /// `cause`, one line, is told to whoever follows the run; an empty one is not worth it. False: it was no longer ours.
    ///
    /// # Errors
    /// [`QueueError::Unreachable`], [`QueueError::Redis`]; then the lease runs out and the delivery counts.
    pub async fn hand_back(&self, claim: &Claim, cause: &str) -> Result<bool, QueueError> {
        self.release(claim, claim.deliveries.saturating_sub(1), cause).await
    }

    /// Gives back a chunk that this worker cannot make, whatever its seeds, without blame (I8). When every live
    /// worker has said so as often as a chunk is handed out, nobody can make it: then it is dead.
    ///
    /// # Errors
    /// [`QueueError::Unreachable`], [`QueueError::Redis`]; then the lease runs out and the delivery counts.
    pub async fn decline(&self, claim: &Claim, failure: &Failure) -> Result<Declined, QueueError> {
        let mut call = scripts::DECLINE.prepare_invoke();
        self.address(&mut call, &claim.pool, &claim.id);
        call.key(keys::redis_taken(&claim.pool)).key(keys::redis_unfit(&claim.task.run));
        call.key(keys::REDIS_WORKERS).key(keys::redis_making(&claim.task.run));
        call.arg(claim.deliveries.saturating_sub(1)).arg(&failure.cause);
        let horizon = (self.settings.lease * DEAD_AFTER_LEASES).max(DEAD_AFTER_MIN);
        call.arg(self.settings.max_deliveries).arg(horizon.as_millis() as u64).arg(claim.task.chunk);
        match self.link.script("decline a chunk", &call).await? {
            2_u64 if self.give_up(claim, failure).await? => Ok(Declined::Dead),
            1 => Ok(Declined::Returned),
            _ => Ok(Declined::Lost),
        }
    }

    async fn release(&self, claim: &Claim, deliveries: u64, cause: &str) -> Result<bool, QueueError> {
        let mut call = scripts::RELEASE.prepare_invoke();
        self.address(&mut call, &claim.pool, &claim.id);
        call.key(keys::redis_taken(&claim.pool)).key(keys::redis_setbacks(&claim.task.run));
        call.key(keys::redis_making(&claim.task.run)).arg(deliveries).arg(cause).arg(claim.task.chunk);
        self.link.script("give a chunk back", &call).await
    }

    /// Moves a message in our hands to the dead letters. False: it was no longer ours.
    pub(super) async fn bury(&self, burial: &Burial<'_>, record: &DeadChunk) -> Result<bool, QueueError> {
        let mut call = scripts::BURY.prepare_invoke();
        self.address(&mut call, burial.pool, burial.id);
        call.key(keys::redis_taken(burial.pool)).key(keys::REDIS_DEAD);
        // Serialising plain data with string keys cannot fail.
        let json = serde_json::to_string(record).unwrap_or_default();
        call.arg(MAX_DEAD_LETTERS).arg(json).arg(burial.message);
        match &burial.of {
            Some((run, chunk)) => {
                call.key(keys::redis_queued(run))
                    .key(keys::redis_dead_chunks(run))
                    .key(keys::redis_making(run));
                call.arg(run.as_str()).arg(*chunk);
            }
            None => {
                call.arg("").arg("");
            }
        }
        self.link.script("bury a chunk", &call).await
    }

    fn address(&self, call: &mut ScriptInvocation<'_>, pool: &PoolId, id: &str) {
        call.key(keys::redis_stream(pool)).arg(keys::REDIS_GROUP).arg(&*self.consumer).arg(id);
    }
}
