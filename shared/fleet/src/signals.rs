//! The signals that ask a command to end, as exit codes: SIGINT, SIGTERM, and SIGHUP of a terminal that was closed.

use std::{fs, io};

use tokio::{
    select,
    signal::unix::{Signal, SignalKind, signal},
};

use fidelis_contract::exit;

/// Signals that came since they are watched.
#[derive(Debug)]
pub struct Signals {
    int: Signal,
    term: Signal,
    /// None under `nohup`: who started us wants us to go on.
    hup: Option<Signal>,
}

impl Signals {
    /// Starts to watch; needs a tokio runtime around it.
    ///
    /// # Errors
    /// What the system said.
    pub fn watch() -> io::Result<Self> {
        let hup = if is_hangup_ignored() { None } else { Some(signal(SignalKind::hangup())?) };
        Ok(Self { int: signal(SignalKind::interrupt())?, term: signal(SignalKind::terminate())?, hup })
    }

    /// Waits for the next signal; gives its exit code.
    pub async fn next(&mut self) -> u8 {
        let hup = async {
            match &mut self.hup {
                Some(hup) => hup.recv().await,
                None => std::future::pending().await,
            }
        };
        select! {
            _ = self.int.recv() => exit::INTERRUPTED,
            _ = self.term.recv() => exit::TERMINATED,
            _ = hup => exit::HUNG_UP,
        }
    }
}

fn is_hangup_ignored() -> bool {
    fs::read_to_string("/proc/self/status").is_ok_and(|status| ignores_hangup(&status))
}

/// Reads the mask of ignored signals, whose lowest bit is SIGHUP's.
fn ignores_hangup(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::ignores_hangup;

    #[test]
    fn nohup_is_seen_in_the_mask() {
        let status = |mask: &str| format!("Name:\tfidelis\nSigBlk:\t0000000000000001\nSigIgn:\t{mask}\n");
        assert!(ignores_hangup(&status("0000000000001001")));
        assert!(!ignores_hangup(&status("0000000000001000")));
        assert!(!ignores_hangup("Name:\tfidelis\n"));
    }
}
