//! The one way to make an engine stop early, and to see how far it is.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

/// Why work was called off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The chunk is in somebody else's hands now.
    Lost,
    /// This worker was told to stop.
    Stopped,
}

/// Raised once, seen by all clones: asked by the device's thread, which shows that it lives as it goes, awaited by tasks.
#[derive(Debug, Clone)]
pub struct CancelFlag(Arc<Flag>);

#[derive(Debug)]
struct Flag {
    raised: watch::Sender<Option<Reason>>,
    made: Instant,
    /// The device's last sign of life, in ms after this was made.
    beat_ms: AtomicU64,
    /// Images that the work has come to.
    num_made: AtomicU64,
    /// Whether nothing is lost when the work stops.
    is_resumable: AtomicBool,
}

impl Default for CancelFlag {
    fn default() -> Self {
        let (raised, made) = (watch::Sender::new(None), Instant::now());
        Self(Arc::new(Flag {
            raised,
            made,
            beat_ms: AtomicU64::new(0),
            num_made: AtomicU64::new(0),
            is_resumable: AtomicBool::new(false),
        }))
    }
}

impl CancelFlag {
    /// A flag that is down.
    pub fn new() -> Self {
        Self::default()
    }

    /// Raises the flag; the first reason stays.
    pub fn cancel(&self, reason: Reason) {
        self.0.raised.send_if_modified(|current| {
            let first = current.is_none();
            current.get_or_insert(reason);
            first
        });
    }

    /// The device is alive, and learns whether it is to stop. Cheap.
    pub fn beat(&self) -> bool {
        self.0.beat_ms.fetch_max(self.0.made.elapsed().as_millis() as u64, Ordering::Relaxed);
        self.reason().is_some()
    }

    /// The work saves what it has come to when it is called off: there is no point in waiting for its end.
    pub fn set_resumable(&self) {
        self.0.is_resumable.store(true, Ordering::Relaxed);
    }

    /// Whether nothing is lost when the work stops.
    pub fn is_resumable(&self) -> bool {
        self.0.is_resumable.load(Ordering::Relaxed)
    }

    /// The work begins, perhaps once more: nothing is made.
    pub fn begin(&self) {
        self.0.num_made.store(0, Ordering::Relaxed);
    }

    /// So many images more are made.
    pub fn made(&self, num_images: u64) {
        self.0.num_made.fetch_add(num_images, Ordering::Relaxed);
    }

    /// Images made since the work began.
    pub fn num_made(&self) -> u64 {
        self.0.num_made.load(Ordering::Relaxed)
    }

    /// Why the flag was raised, if it was.
    pub fn reason(&self) -> Option<Reason> {
        *self.0.raised.borrow()
    }

    /// Waits until the flag is raised.
    pub async fn raised(&self) -> Reason {
        let mut changes = self.0.raised.subscribe();
        match changes.wait_for(Option::is_some).await.map(|reason| *reason) {
            Ok(Some(reason)) => reason,
            // The sender lives in `self`, so the wait cannot end without a reason.
            _ => pending().await,
        }
    }

    /// Waits until there was no [`beat`](Self::beat) for `time`, counted from this call at the earliest.
    pub async fn silent_for(&self, time: Duration) {
        let mut since = Instant::now();
        loop {
            sleep_until(since + time).await;
            let beat = self.0.made + Duration::from_millis(self.0.beat_ms.load(Ordering::Relaxed));
            if beat <= since {
                return;
            }
            since = beat;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_device_that_beats_is_alive() {
        let (flag, time) = (CancelFlag::new(), Duration::from_millis(200));
        let hang = tokio::spawn({
            let flag = flag.clone();
            async move { flag.silent_for(time).await }
        });
        tokio::task::yield_now().await;
        // On this runtime's only thread: the other task does not get to look before the device has beaten.
        std::thread::sleep(time / 2);
        flag.beat();
        let beat = Instant::now();
        hang.await.unwrap();
        assert!(beat.elapsed() >= time - Duration::from_millis(1), "{:?}", beat.elapsed());
    }

    #[tokio::test]
    async fn the_first_reason_stays_and_wakes_the_waiting() {
        let flag = CancelFlag::new();
        assert!(!flag.beat());
        let waiting = tokio::spawn({
            let flag = flag.clone();
            async move { flag.raised().await }
        });
        flag.cancel(Reason::Stopped);
        flag.cancel(Reason::Lost);
        assert_eq!(waiting.await.ok(), Some(Reason::Stopped));
        assert_eq!((flag.reason(), flag.beat()), (Some(Reason::Stopped), true));
    }
}
