//! A chunk in hand: its lease is kept, and its work is called off when it is in vain or has to end.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use fidelis_fleet::queue::Claim;
use tokio::{
    select,
    task::JoinSet,
    time::{Instant, sleep},
};
use tracing::{Instrument, Span};

use super::common::Common;
use crate::{
    engine::{CancelFlag, Reason},
    lease::Lease,
};

/// A claim, from its coming until Redis is told how it went.
#[derive(Debug)]
pub struct Hand {
    /// What was taken.
    pub claim: Claim,
    /// Raised when the chunk is in other hands, or has to end.
    pub cancel: CancelFlag,
    /// When it was taken.
    pub start: Instant,
    /// Of what is said about it.
    pub span: Span,
    /// The store did not take or answer it at the last try.
    waits_for_store: Arc<AtomicBool>,
    _lease: Lease,
    /// Aborted with the set.
    _patience: JoinSet<()>,
}

impl Hand {
    /// Keeps the lease of a claim that came at `start`.
    pub fn take(claim: Claim, start: Instant, common: &Arc<Common>) -> Self {
        let cancel = CancelFlag::new();
        let span = tracing::info_span!("chunk", run = %claim.task.run, chunk = claim.task.chunk, attempt = claim.deliveries);
        let every = common.settings.lease / 3;
        let lease = Lease::keep(common.leases.clone(), (claim.clone(), start), every, cancel.clone());
        let mut patience = JoinSet::new();
        let (flag, task, ours) = (cancel.clone(), claim.task.clone(), common.clone());
        patience.spawn(
            async move {
                ours.stop.requested().await;
                let expected = ours.pace.expected(&task);
                call_off(&ours, expected.map(|expected| expected.saturating_sub(start.elapsed())), &flag)
                    .await;
            }
            .instrument(span.clone()),
        );
        let waits_for_store = Arc::default();
        Self { claim, cancel, start, span, waits_for_store, _lease: lease, _patience: patience }
    }

    /// Somebody died with it, or it failed: nothing else is in hand beside it, so that no other chunk is blamed for what it
    /// does to its worker, nor it for what another does (I8).
    pub fn is_suspect(&self) -> bool {
        self.claim.deliveries > 1
    }

    /// Notes whether the store answered.
    pub fn note_store(&self, answers: bool) {
        self.waits_for_store.store(!answers, Ordering::Relaxed);
    }

    /// Whether the store answered last time; goes on telling.
    pub fn waits_for_store(&self) -> Arc<AtomicBool> {
        self.waits_for_store.clone()
    }

    /// No more renewals: what Redis is told now is the last word.
    pub fn let_go(self) -> Claim {
        self.claim
    }
}

/// After the first signal: work that can end within the grace time goes on, other work ends at once.
async fn call_off(common: &Common, left: Option<Duration>, cancel: &CancelFlag) {
    let grace = if cancel.is_resumable() { Duration::ZERO } else { common.settings.grace };
    let patience = if left.is_none_or(|left| left <= grace) { grace } else { Duration::ZERO };
    tracing::info!(patience_s = patience.as_secs_f64(), "told to stop");
    select! {
        () = sleep(patience) => {}
        () = common.stop.demanded() => {}
    }
    cancel.cancel(Reason::Stopped);
}
