//! SIGINT and SIGTERM as exit codes.

use std::io;

use fidelis_contract::exit;
use tokio::{
    select,
    signal::unix::{Signal, SignalKind, signal},
};

/// Signals that came since the command began.
#[derive(Debug)]
pub struct Signals {
    int: Signal,
    term: Signal,
}

impl Signals {
    /// Starts to watch.
    ///
    /// # Errors
    /// What the system said.
    pub fn watch() -> io::Result<Self> {
        Ok(Self { int: signal(SignalKind::interrupt())?, term: signal(SignalKind::terminate())? })
    }

    /// Waits for the next signal; gives its exit code.
    pub async fn next(&mut self) -> u8 {
        select! {
            _ = self.int.recv() => exit::INTERRUPTED,
            _ = self.term.recv() => exit::TERMINATED,
        }
    }
}
