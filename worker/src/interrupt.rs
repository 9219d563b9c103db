//! The signals that ask us to end, as a question that a busy loop may ask.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use anyhow::Context;
use fidelis_contract::exit;
use fidelis_fleet::signals::Signals;

/// Remembers the first signal that came.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicU8>);

impl Interrupt {
    /// Starts to watch; needs a tokio runtime around it.
    pub fn watch() -> anyhow::Result<Self> {
        let mut signals = Signals::watch().context("cannot watch for signals")?;
        let seen = Self::default();
        let told = seen.0.clone();
        tokio::spawn(async move { told.store(signals.next().await, Ordering::Relaxed) });
        Ok(seen)
    }

    /// The exit code of the signal that came, if one did.
    pub fn signal(&self) -> Option<u8> {
        Some(self.0.load(Ordering::Relaxed)).filter(|&code| code != exit::DONE)
    }
}
