//! Keeping a chunk in our hands while the device is busy with it, and telling how far it is.

use std::time::Duration;

use fidelis_fleet::queue::{Claim, Leases};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};

use crate::engine::{CancelFlag, Reason};

/// How soon a renewal that Redis did not answer is tried again, at most.
const TRY_AGAIN: Duration = Duration::from_secs(1);
/// How often it is told how far a chunk is, if that changed; one that takes no longer is not worth it.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// A lease that is renewed until this is dropped; never from the device's thread.
#[derive(Debug)]
pub struct Lease {
    /// Aborted with the set.
    _tasks: JoinSet<()>,
}

impl Lease {
    /// Renews every `every` since the claim came. When the chunk is in other hands, or Redis has forgotten it, the flag is
    /// raised and renewing ends.
    pub fn keep(
        leases: Leases,
        (claim, came): (Claim, Instant),
        every: Duration,
        cancel: CancelFlag,
    ) -> Self {
        let mut tasks = JoinSet::new();
        tasks.spawn(tell(leases.clone(), claim.clone(), cancel.clone()));
        tasks.spawn(async move {
            // At once, where we were held up that long.
            sleep_until(came + every).await;
            renew(leases, claim, every, cancel).await;
        });
        Self { _tasks: tasks }
    }
}

async fn renew(leases: Leases, claim: Claim, every: Duration, cancel: CancelFlag) {
    loop {
        match leases.renew(&claim).await {
            Ok(true) => sleep(every).await,
            Ok(false) => {
                cancel.cancel(Reason::Lost);
                return;
            }
            // The work goes on: if somebody else took the chunk meanwhile, a later renewal will tell.
            Err(error) => {
                tracing::warn!("lease not renewed: {error}");
                sleep(every.min(TRY_AGAIN)).await;
            }
        }
    }
}

/// Nothing depends on it: what Redis does not take is told a second later.
async fn tell(leases: Leases, claim: Claim, cancel: CancelFlag) {
    let mut told = None;
    loop {
        sleep(TELL_EVERY).await;
        let made = Some(cancel.num_made());
        if made != told && leases.tell_made(&claim, cancel.num_made()).await.is_ok() {
            told = made;
        }
    }
}
