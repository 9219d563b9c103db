//! How a process is told to stop, as a question that a busy loop may ask: the first signal asks, the second insists.

use std::{io, sync::Arc, thread};

use anyhow::Context;
use fidelis_contract::exit;
use fidelis_fleet::signals::Signals;
use tokio::sync::watch;

/// How far the process was told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct State {
    signals: u32,
    /// Exit code of the last signal.
    code: u8,
}

/// Sees the signals that came; cheap to clone.
#[derive(Debug, Clone)]
pub struct Interrupt(watch::Receiver<State>);

/// Tells an [`Interrupt`].
#[derive(Debug)]
pub struct Stopper(watch::Sender<State>);

impl Stopper {
    /// One more signal, whose exit code is `code`.
    pub fn signal(&self, code: u8) {
        self.0.send_modify(|state| *state = State { signals: state.signals + 1, code });
    }
}

impl Interrupt {
    /// One and what sets it off.
    pub fn new() -> (Stopper, Self) {
        let (sender, receiver) = watch::channel(State::default());
        (Stopper(sender), Self(receiver))
    }

    /// Set off by signals; needs a tokio runtime around it.
    ///
    /// # Errors
    /// What the system said to installing the handlers.
    pub fn watch() -> anyhow::Result<Self> {
        Self::on_signals(false).context("cannot watch for signals")
    }

    /// Set off by SIGINT, SIGTERM and SIGHUP of this process; with `on_eof` also by the end of stdin, as by SIGTERM: a
    /// parent that holds the other end takes its workers along, however it dies.
    ///
    /// # Errors
    /// What the system said to installing the handlers.
    pub fn on_signals(on_eof: bool) -> io::Result<Self> {
        let (stopper, stop) = Self::new();
        let stopper = Arc::new(stopper);
        if on_eof {
            let stopper = stopper.clone();
            // Not tokio's stdin, whose blocked thread would hold up the end of the process.
            thread::Builder::new().name("stdin".into()).spawn(move || {
                io::copy(&mut io::stdin().lock(), &mut io::sink()).ok();
                stopper.signal(exit::TERMINATED);
            })?;
        }
        let mut signals = Signals::watch()?;
        tokio::spawn(async move {
            loop {
                stopper.signal(signals.next().await);
            }
        });
        Ok(stop)
    }

    /// True after the first signal.
    pub fn is_requested(&self) -> bool {
        self.0.borrow().signals > 0
    }

    /// True after the second signal.
    pub fn is_demanded(&self) -> bool {
        self.0.borrow().signals > 1
    }

    /// The exit code of the last signal; none before the first.
    pub fn signal(&self) -> Option<u8> {
        let State { signals, code } = *self.0.borrow();
        (signals > 0).then_some(code)
    }

    /// Waits for the first signal.
    pub async fn requested(&self) {
        self.signals(1).await;
    }

    /// Waits for the second signal.
    pub async fn demanded(&self) {
        self.signals(2).await;
    }

    async fn signals(&self, number: u32) {
        let mut changes = self.0.clone();
        if changes.wait_for(|state| state.signals >= number).await.is_err() {
            // Nobody is left to tell us.
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_signal_asks_and_the_second_insists() {
        let (stopper, stop) = Interrupt::new();
        assert_eq!((stop.is_requested(), stop.signal()), (false, None));
        stopper.signal(exit::INTERRUPTED);
        stop.requested().await;
        assert!(!stop.is_demanded());
        stopper.signal(exit::TERMINATED);
        stop.demanded().await;
        assert_eq!(stop.signal(), Some(exit::TERMINATED));
    }
}
