//! What both stages of a worker have in common, among it the last word on a chunk.

use std::time::Duration;

use fidelis_fleet::{
    failpoint::{Point, reach},
    queue::{Claim, DeviceTime, Failure, Leases, QueueError, Verdict},
    retry::Backoff,
    store::Store,
};
use tokio::time::timeout;

use super::{WorkerSettings, pace::Pace, setback::Setback, tally::Tally};
use crate::{interrupt::Interrupt, logs};

/// How long a last word to Redis may take after the second signal.
const LAST_WORD: Duration = Duration::from_secs(1);

/// Of one worker.
#[derive(Debug)]
pub struct Common {
    pub settings: WorkerSettings,
    pub store: Store,
    pub leases: Leases,
    pub stop: Interrupt,
    pub pace: Pace,
    pub tally: Tally,
}

/// A chunk that the store has.
#[derive(Debug, Clone, Copy)]
pub struct Done {
    pub num_images: u64,
    /// What the device did for it; nothing when an earlier attempt's receipt was found.
    pub device: Option<DeviceTime>,
}

impl Common {
    /// Tells Redis how it went with a chunk.
    pub async fn settle(&self, claim: &Claim, result: &Result<Done, Setback>) {
        note(result);
        self.say(claim, async {
            let mut attempts = Backoff::default().attempts();
            loop {
                match self.told(claim, result).await {
                    Err(error) if attempts.again(&error).await => {}
                    told => return told,
                }
            }
        })
        .await;
    }

    /// A last word to Redis, which after a second signal is not waited for long.
    pub async fn say(&self, claim: &Claim, word: impl Future<Output = Result<(), QueueError>>) {
        let said = match self.stop.is_demanded() {
            true => timeout(LAST_WORD, word).await.unwrap_or(Ok(())),
            false => word.await,
        };
        if let Err(error) = said {
            tracing::warn!("{error}; the lease will run out");
        }
        reach(Point::WorkerAfterAck, Some(claim.task.chunk));
    }

    async fn told(&self, claim: &Claim, result: &Result<Done, Setback>) -> Result<(), QueueError> {
        let leases = &self.leases;
        match result {
            Ok(Done { num_images, device }) => {
                let device = device.unwrap_or_default();
                leases.complete_timed(claim, *num_images, device).await.map(drop)
            }
            Err(Setback::Lost) => Ok(()),
            Err(Setback::Stopped) => leases.hand_back(claim, "").await.map(drop),
            Err(Setback::Environment(cause) | Setback::Device(cause) | Setback::Unfit(cause)) => {
                leases.hand_back(claim, cause).await.map(drop)
            }
            Err(Setback::Fault(cause) | Setback::Stalled(cause)) => {
                if leases.fail(claim, &self.failure(cause)).await? == Verdict::Dead {
                    tracing::error!("dead after `{}` attempts", claim.deliveries);
                }
                Ok(())
            }
            Err(Setback::Hopeless(cause)) => leases.give_up(claim, &self.failure(cause)).await.map(drop),
            Err(Setback::Spent) => leases.give_up_spent(claim).await.map(drop),
        }
    }

    /// What is kept of a chunk that failed here.
    pub fn failure(&self, cause: &str) -> Failure {
        Failure { cause: cause.to_owned(), device: self.settings.device.clone(), log: logs::tail() }
    }
}

fn note(result: &Result<Done, Setback>) {
    match result {
        Ok(Done { device: None, .. }) => tracing::info!("stored by an earlier attempt"),
        Ok(_) => {}
        Err(Setback::Lost) => tracing::warn!("the lease was lost: leaving the chunk to others"),
        Err(setback @ (Setback::Stopped | Setback::Environment(_) | Setback::Unfit(_))) => {
            tracing::warn!("handed back: {setback}");
        }
        Err(Setback::Device(cause)) => {
            tracing::error!("handed back, and ending so that a new process starts afresh: {cause}");
        }
        Err(Setback::Fault(cause) | Setback::Stalled(cause)) => tracing::error!("failed: {cause}"),
        Err(Setback::Hopeless(cause)) => tracing::error!("dead at once: {cause}"),
        Err(setback @ Setback::Spent) => tracing::error!("dead: {setback}"),
    }
}
