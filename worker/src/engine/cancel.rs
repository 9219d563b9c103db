//! The one way to make an engine stop early.

use std::{future::pending, sync::Arc};

use tokio::sync::watch;

/// Why work was called off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The chunk is in somebody else's hands now.
    Lost,
    /// This worker was told to stop.
    Stopped,
}

/// Raised once, seen by all clones: asked by the device's thread, awaited by tasks.
#[derive(Debug, Clone)]
pub struct CancelFlag(Arc<watch::Sender<Option<Reason>>>);

impl Default for CancelFlag {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }
}

impl CancelFlag {
    /// A flag that is down.
    pub fn new() -> Self {
        Self::default()
    }

    /// Raises the flag; the first reason stays.
    pub fn cancel(&self, reason: Reason) {
        self.0.send_if_modified(|current| {
            let first = current.is_none();
            current.get_or_insert(reason);
            first
        });
    }

    /// True once the flag is raised. Cheap.
    pub fn is_set(&self) -> bool {
        self.reason().is_some()
    }

    /// Why the flag was raised, if it was.
    pub fn reason(&self) -> Option<Reason> {
        *self.0.borrow()
    }

    /// Waits until the flag is raised.
    pub async fn raised(&self) -> Reason {
        let mut changes = self.0.subscribe();
        match changes.wait_for(Option::is_some).await.map(|reason| *reason) {
            Ok(Some(reason)) => reason,
            // The sender lives in `self`, so the wait cannot end without a reason.
            _ => pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_reason_stays_and_wakes_the_waiting() {
        let flag = CancelFlag::new();
        assert!(!flag.is_set());
        let waiting = tokio::spawn({
            let flag = flag.clone();
            async move { flag.raised().await }
        });
        flag.cancel(Reason::Stopped);
        flag.cancel(Reason::Lost);
        assert_eq!(waiting.await.ok(), Some(Reason::Stopped));
        assert_eq!(flag.reason(), Some(Reason::Stopped));
    }
}
