//! The worker's loop: claim, make, store, acknowledge, one chunk at a time.
//!
//! A chunk is not claimed before the one in hand is stored, so a worker that dies wastes at most one (I7).

mod commit;
mod device;
mod local;
mod pace;
mod setback;
mod specs;
mod training;
mod unfit;

use std::{pin::pin, time::Duration};

use fidelis_contract::{exit, outcome::Outcome, plan::Chunk, run::Run};
use fidelis_fleet::{
    failpoint::{Bug, Point, planted, reach},
    files::Files,
    queue::{Claim, Consumer, Declined, Failure, Leases, QueueError, Verdict},
    retry::Backoff,
    store::Store,
};
use tokio::{
    select,
    time::{Instant, sleep, timeout},
};
use tracing::Instrument;

pub use device::Device;
pub use setback::Setback;

use crate::{
    engine::{CancelFlag, Reason},
    interrupt::Interrupt,
    lease::Lease,
    logs,
};
use commit::Commit;
use device::{Job, Made};
use pace::Pace;
use specs::Specs;
use unfit::Unfit;

/// How long one look at the queue waits for a chunk: a worker without work notices a signal within this time.
const LOOK: Duration = Duration::from_secs(1);
/// How long a last word to Redis may take after the second signal.
const LAST_WORD: Duration = Duration::from_secs(1);
/// Waits after setbacks that are nobody's fault.
const SETBACK: Backoff =
    Backoff { base: Duration::from_millis(500), cap: Duration::from_secs(30), max_attempts: u32::MAX };

/// Who a worker is and how patient it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerSettings {
    /// As receipts name it; the same after a restart.
    pub name: String,
    /// The device as the command line names it.
    pub device: String,
    /// Lease of a chunk; renewed three times as often.
    pub lease: Duration,
    /// How long a chunk may go on after the first signal.
    pub grace: Duration,
    /// An engine that does not look up from its work for this long hangs: the chunk is blamed, the process ends.
    pub stall: Duration,
    /// The server of `s3://` addresses, where it is not AWS.
    pub s3_endpoint: Option<String>,
}

/// What a worker works with.
#[derive(Debug)]
pub struct Parts {
    /// Where results go.
    pub store: Store,
    /// Where nets and the like come from.
    pub files: Files,
    /// Where chunks come from; its name is unique per process start.
    pub consumer: Consumer,
    /// What makes images.
    pub device: Device,
    /// When to stop.
    pub stop: Interrupt,
}

/// One worker.
#[derive(Debug)]
pub struct Worker {
    settings: WorkerSettings,
    parts: Parts,
    leases: Leases,
    specs: Specs,
    pace: Pace,
    unfit: Unfit,
}

/// What to do after a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Claim,
    /// Wait before claiming.
    Wait,
    /// End the process, which cannot use its device any more.
    End,
}

/// A chunk that the store has.
#[derive(Debug, Clone, Copy)]
struct Done {
    num_images: u64,
    /// False when an earlier attempt's receipt was found.
    computed: bool,
}

impl Worker {
    /// A worker that has not begun.
    pub fn new(settings: WorkerSettings, parts: Parts) -> Self {
        let leases = parts.consumer.leases();
        Self {
            settings,
            parts,
            leases,
            specs: Specs::default(),
            pace: Pace::default(),
            unfit: Unfit::default(),
        }
    }

    /// Works until told to stop; gives the exit code of the signal, or [`exit::INFRASTRUCTURE`] when the device hangs or is
    /// lost. Outages of Redis and the store are waited out.
    ///
    /// # Errors
    /// What Redis refuses and will go on refusing.
    pub async fn run(mut self) -> Result<u8, QueueError> {
        let stop = self.parts.stop.clone();
        let mut setbacks = 0;
        while !stop.is_requested() {
            let next = match self.parts.consumer.claim(LOOK).await {
                Ok(None) => Next::Claim,
                Ok(Some(claim)) => {
                    let (chunk, attempt) = (claim.task.chunk, claim.deliveries);
                    let span = tracing::info_span!("chunk", run = %claim.task.run, chunk, attempt);
                    self.handle(&claim).instrument(span).await
                }
                Err(error) if error.is_retryable() => {
                    tracing::warn!("{error}; trying again");
                    Next::Wait
                }
                Err(error) => return Err(error),
            };
            match next {
                Next::Claim => setbacks = 0,
                Next::Wait => {
                    setbacks += 1;
                    select! {
                        () = sleep(SETBACK.delay(setbacks)) => {}
                        () = stop.requested() => {}
                    }
                }
                // Its thread cannot be ended, and whoever starts the process again gets a device that works.
                Next::End => return Ok(exit::INFRASTRUCTURE),
            }
        }
        Ok(stop.signal().unwrap_or(exit::DONE))
    }

    /// Does what can be done about a chunk.
    async fn handle(&mut self, claim: &Claim) -> Next {
        if claim.is_copy {
            reach(Point::WorkerTookCopy, Some(claim.task.chunk));
        }
        reach(Point::WorkerAfterClaim, Some(claim.task.chunk));
        let cancel = CancelFlag::new();
        let result = if self.parts.stop.is_requested() {
            Err(Setback::Stopped)
        } else {
            let every = self.settings.lease / 3;
            let _lease = Lease::keep(self.leases.clone(), claim.clone(), every, cancel.clone());
            self.make_unless_stopped(claim, &cancel).await
        };
        let next = match &result {
            Err(Setback::Environment(_)) => Next::Wait,
            Err(Setback::Stalled(_) | Setback::Device(_)) => Next::End,
            _ => Next::Claim,
        };
        let demanded = self.parts.stop.is_demanded();
        let settled = self.settle(claim, result);
        let told = if demanded { timeout(LAST_WORD, settled).await.unwrap_or(Ok(())) } else { settled.await };
        if let Err(error) = told {
            tracing::warn!("{error}; the lease will run out");
        }
        reach(Point::WorkerAfterAck, Some(claim.task.chunk));
        next
    }

    /// Makes a chunk. After the first signal it goes on only if it can end within the grace time.
    async fn make_unless_stopped(&mut self, claim: &Claim, cancel: &CancelFlag) -> Result<Done, Setback> {
        let (stop, start) = (self.parts.stop.clone(), Instant::now());
        let (expected, grace) = (self.pace.expected(&claim.task), self.settings.grace);
        let mut work = pin!(self.make(claim, cancel, start));
        select! {
            result = &mut work => return result,
            () = stop.requested() => {}
        }
        let grace = if cancel.is_resumable() { Duration::ZERO } else { grace };
        let left = expected.map(|expected| expected.saturating_sub(start.elapsed()));
        let patience = if left.is_none_or(|left| left <= grace) { grace } else { Duration::ZERO };
        tracing::info!(patience_s = patience.as_secs_f64(), "told to stop");
        select! {
            result = &mut work => return result,
            () = sleep(patience) => {}
            () = stop.demanded() => {}
        }
        cancel.cancel(Reason::Stopped);
        select! {
            result = work => result,
            () = stop.demanded() => Err(Setback::Stopped),
        }
    }

    async fn make(&mut self, claim: &Claim, cancel: &CancelFlag, start: Instant) -> Result<Done, Setback> {
        let run = self.specs.get(&self.parts.store, &claim.task).await?;
        let chunk = run.plan.chunk(claim.task.chunk).ok_or_else(|| {
            Setback::Hopeless(format!("the plan has `{}` chunks only", run.plan.num_chunks()))
        })?;
        let commit = Commit {
            store: &self.parts.store,
            spec: &run.spec,
            claim,
            chunk: &chunk,
            worker: &self.settings.name,
            start,
            cancel,
        };
        let num_images = chunk.seeds.len();
        if commit.is_stored().await? {
            return Ok(Done { num_images, computed: false });
        }
        if claim.is_spent {
            return Err(Setback::Spent);
        }
        if let Some(cause) = self.unfit.cause(&claim.task.spec_digest, Instant::now()) {
            return Err(Setback::Unfit(cause.to_owned()));
        }
        let made = self.compute(&run, &chunk, cancel).await?;
        self.unfit.forget(&claim.task.spec_digest);
        reach(Point::WorkerAfterMake, Some(chunk.index));
        if planted(Bug::AckBeforePut) {
            self.leases.complete(claim, num_images).await.ok();
        }
        commit.store(made).await?;
        reach(Point::WorkerAfterReceiptBeforeAck, Some(chunk.index));
        self.pace.note(&claim.task, start.elapsed());
        tracing::info!(images = num_images, seconds = start.elapsed().as_secs_f64(), "stored");
        Ok(Done { num_images, computed: true })
    }

    /// The device's part, for as long as it shows signs of life.
    async fn compute(&self, run: &Run, chunk: &Chunk, cancel: &CancelFlag) -> Result<Made, Setback> {
        let spec = local::local(&self.parts.files, &run.spec, cancel).await?;
        let seeds = chunk.seeds.to_vec();
        let materials =
            training::materials(run, (&self.parts.store, self.settings.s3_endpoint.as_deref()), cancel)
                .await?;
        let job = Job { spec, seeds, chunk: chunk.index, cancel: cancel.clone(), materials };
        let stall = self.settings.stall;
        select! {
            made = self.parts.device.make(job) => made.map_err(|error| Setback::of_engine(error, cancel.reason())),
            () = cancel.silent_for(stall) => Err(Setback::Stalled(format!(
                "the device did nothing that could be seen for `{}` s: this worker ends", stall.as_secs_f64()
            ))),
        }
    }

    /// Tells Redis how it went.
    async fn settle(&mut self, claim: &Claim, result: Result<Done, Setback>) -> Result<(), QueueError> {
        let (leases, backoff) = (&self.leases, Backoff::default());
        match result {
            Ok(done) => {
                if !done.computed {
                    tracing::info!("stored by an earlier attempt");
                }
                backoff.run(async || leases.complete(claim, done.num_images).await).await?;
            }
            Err(Setback::Lost) => tracing::warn!("the lease was lost: leaving the chunk to others"),
            Err(setback @ Setback::Stopped) => {
                tracing::warn!("handed back: {setback}");
                backoff.run(async || leases.hand_back(claim, "").await).await?;
            }
            Err(Setback::Environment(cause)) => {
                tracing::warn!("handed back: {cause}");
                backoff.run(async || leases.hand_back(claim, &cause).await).await?;
            }
            Err(Setback::Device(cause)) => {
                tracing::error!("handed back, and ending so that a new process starts afresh: {cause}");
                backoff.run(async || leases.hand_back(claim, &cause).await).await?;
            }
            Err(Setback::Unfit(cause)) => self.decline(claim, cause).await?,
            Err(Setback::Fault(cause) | Setback::Stalled(cause)) => {
                tracing::error!("failed: {cause}");
                let failure = self.failure(cause);
                if backoff.run(async || leases.fail(claim, &failure).await).await? == Verdict::Dead {
                    tracing::error!("dead after `{}` attempts", claim.deliveries);
                }
            }
            Err(Setback::Hopeless(cause)) => {
                tracing::error!("dead at once: {cause}");
                let failure = self.failure(cause);
                backoff.run(async || leases.give_up(claim, &failure).await).await?;
            }
            Err(setback @ Setback::Spent) => {
                tracing::error!("dead: {setback}");
                backoff.run(async || leases.give_up_spent(claim).await).await?;
            }
        }
        Ok(())
    }

    /// Leaves a run that this worker cannot make to others. Where there are none, its chunks are dead.
    async fn decline(&mut self, claim: &Claim, cause: String) -> Result<(), QueueError> {
        let (times, away) = self.unfit.note(claim.task.spec_digest, &cause, Instant::now());
        let (leases, failure) = (&self.leases, self.failure(cause));
        let declined = Backoff::default().run(async || leases.decline(claim, &failure).await).await?;
        match declined {
            Declined::Dead => tracing::error!("dead, as no worker can make it: {}", failure.cause),
            Declined::Returned if times == 1 => tracing::warn!("left to others: {}", failure.cause),
            Declined::Returned | Declined::Lost => tracing::info!("left to others: {}", failure.cause),
        }
        // What nobody can make is got over with at once.
        if declined != Declined::Dead {
            self.parts.consumer.avoid(&claim.pool, away);
        }
        Ok(())
    }

    fn failure(&self, cause: String) -> Failure {
        Failure { cause, device: self.settings.device.clone(), log: logs::tail() }
    }
}
