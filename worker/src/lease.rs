//! Keeping a chunk in our hands while the device is busy with it.

use std::time::Duration;

use fidelis_fleet::queue::{Claim, Leases};
use tokio::{task::JoinHandle, time::sleep};

use crate::engine::{CancelFlag, Reason};

/// How soon a renewal that Redis did not answer is tried again, at most.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// A lease that is renewed until this is dropped; never from the device's thread.
#[derive(Debug)]
pub struct Lease {
    task: JoinHandle<()>,
}

impl Lease {
    /// Renews now and then every `every`. When the chunk is in other hands, or Redis has forgotten it, the flag is
    /// raised and renewing ends.
    pub fn keep(leases: Leases, claim: Claim, every: Duration, cancel: CancelFlag) -> Self {
        let task = tokio::spawn(async move {
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
        });
        Self { task }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.task.abort();
    }
}
