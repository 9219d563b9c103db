//! The worker's loop: claim, make, store, acknowledge, in two stages. While a chunk is stored and acknowledged
//! (`storing`), the device makes the next one.
//!
//! I7, and how it is counted: each stage has one chunk, and a chunk is not claimed before the device is free for it and
//! there is room behind it. A worker that dies therefore loses two chunks at most, the one that it makes and the one that it
//! stores; what a fault costs is one chunk for each in the hands that it hits.
//!
//! I8: two chunks in hand may both be blamed for the death of their worker. It happens to a chunk once at most: one that was
//! handed out before (`Hand::is_suspect`) has its worker to itself until it is settled.

mod clock;
mod commit;
mod common;
mod device;
mod hand;
mod local;
mod making;
mod pace;
mod setback;
mod specs;
mod storing;
mod tally;
mod training;
mod unfit;

use std::{path::PathBuf, sync::Arc, time::Duration};

use fidelis_contract::{exit, outcome::Outcome};
use fidelis_fleet::{
    failpoint::{Point, reach},
    files::Files,
    queue::{Claim, Consumer, Declined, QueueError},
    retry::Backoff,
    store::Store,
};
use tokio::{
    select,
    time::{Instant, sleep},
};
use tracing::Instrument;

pub use device::Device;
pub use setback::Setback;

use crate::interrupt::Interrupt;
use clock::DeviceClock;
use common::{Common, Done};
use hand::Hand;
use making::Step;
use pace::Pace;
use specs::Specs;
use storing::Storing;
use tally::Tally;
use unfit::Unfit;

/// How long one look at the queue waits for a chunk: a worker without work notices a signal within this time.
const LOOK: Duration = Duration::from_secs(1);
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
    /// Where its counters are kept for Prometheus, if anywhere.
    pub metrics: Option<PathBuf>,
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
    common: Arc<Common>,
    files: Files,
    consumer: Consumer,
    device: Device,
    specs: Specs,
    unfit: Unfit,
    clock: DeviceClock,
    storing: Storing,
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

impl Worker {
    /// A worker that has not begun.
    pub fn new(settings: WorkerSettings, parts: Parts) -> Self {
        let Parts { store, files, consumer, device, stop } = parts;
        let common = Common {
            leases: consumer.leases(),
            tally: Tally::new(&settings.name, settings.metrics.clone()),
            settings,
            store,
            stop,
            pace: Pace::default(),
        };
        Self {
            common: Arc::new(common),
            files,
            consumer,
            device,
            specs: Specs::default(),
            unfit: Unfit::default(),
            clock: DeviceClock::new(Instant::now()),
            storing: Storing::default(),
        }
    }

    /// Works until told to stop; gives the exit code of the signal, or [`exit::INFRASTRUCTURE`] when the device hangs or is
    /// lost. Outages of Redis and the store are waited out.
    ///
    /// # Errors
    /// What Redis refuses and will go on refusing.
    pub async fn run(mut self) -> Result<u8, QueueError> {
        let ended = self.serve().await;
        // What is made is stored, whatever ends us.
        self.storing.settled().await;
        self.common.tally.conclude();
        ended
    }

    async fn serve(&mut self) -> Result<u8, QueueError> {
        let stop = self.common.stop.clone();
        let mut setbacks = 0;
        while !stop.is_requested() {
            match self.turn().await? {
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

    /// Takes a chunk as far as the second stage, if there is one.
    async fn turn(&mut self) -> Result<Next, QueueError> {
        if self.storing.is_to_settle() {
            let next = self.storing.settled().await;
            if next != Next::Claim {
                return Ok(next);
            }
        }
        match self.consumer.claim(LOOK).await {
            Ok(None) => {
                self.clock.found_nothing(Instant::now());
                Ok(Next::Claim)
            }
            Ok(Some(claim)) => {
                let came = Instant::now();
                self.clock.waited(self.consumer.waited(), came);
                if claim.is_copy {
                    reach(Point::WorkerTookCopy, Some(claim.task.chunk));
                }
                reach(Point::WorkerAfterClaim, Some(claim.task.chunk));
                let hand = Hand::take(claim, came, &self.common);
                let span = hand.span.clone();
                Ok(self.handle(hand).instrument(span).await)
            }
            Err(error) if error.is_retryable() => {
                tracing::warn!("{error}; trying again");
                Ok(Next::Wait)
            }
            Err(error) => Err(error),
        }
    }

    /// Does what can be done about a chunk.
    async fn handle(&mut self, hand: Hand) -> Next {
        if hand.is_suspect() || self.storing.holds(&hand.claim) {
            self.storing.settled().await;
        }
        let (common, stop) = (self.common.clone(), self.common.stop.clone());
        let made = select! {
            made = self.make(&hand) => made,
            () = stop.demanded() => Err(Setback::Stopped),
        };
        let result = match made {
            Ok(Step::Made(part)) => return self.storing.pass(&common, hand, *part).await,
            Ok(Step::Found(num_images)) => Ok(Done { num_images, device: None }),
            Err(Setback::Unfit(cause)) => {
                self.decline(&hand.let_go(), &cause).await;
                return Next::Claim;
            }
            Err(setback) => Err(setback),
        };
        common.settle(&hand.let_go(), &result).await;
        result.err().map_or(Next::Claim, |setback| setback.next())
    }

    /// Leaves a run that this worker cannot make to others. Where there are none, its chunks are dead.
    async fn decline(&mut self, claim: &Claim, cause: &str) {
        let (times, away) = self.unfit.note(claim.task.spec_digest, cause, Instant::now());
        let (common, consumer, failure) = (&self.common, &mut self.consumer, self.common.failure(cause));
        common
            .say(claim, async {
                let leases = &common.leases;
                let declined = Backoff::default().run(async || leases.decline(claim, &failure).await).await?;
                match declined {
                    Declined::Dead => tracing::error!("dead, as no worker can make it: {cause}"),
                    Declined::Returned if times == 1 => tracing::warn!("left to others: {cause}"),
                    Declined::Returned | Declined::Lost => tracing::info!("left to others: {cause}"),
                }
                // What nobody can make is got over with at once.
                if declined != Declined::Dead {
                    consumer.avoid(&claim.pool, away);
                }
                Ok(())
            })
            .await;
    }
}
