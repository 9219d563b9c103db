//! Backoff with full jitter: the one retry policy, for errors that say of themselves that a retry may help.
//!
//! Each failure is retried in one layer alone. The AWS SDK's own retries are off and redis-rs has none, so the budget
//! of an operation is [`Backoff::default`]'s: six tries and at most 3.1 s of waiting between them. What a try may take
//! bounds the whole:
//!
//! | operation | one try at most | all at most |
//! | --- | --- | --- |
//! | a call of the store that is refused at once (503, 409, expired credentials) | a round trip | 3.1 s + 6 round trips |
//! | a call of the store nobody answers: no connection | 5 s | 33 s |
//! | a call of the store that is accepted and never answered | 300 s | 30 min; the lease is renewed meanwhile |
//! | a worker's word to Redis (complete, fail, hand back) | 5 s to connect + 5 s to answer | 63 s, longer than any lease: then the lease runs out |
//! | claiming, renewing, looking at progress | the same | one try; their callers come again by themselves |
//!
//! Above that, three loops wait for better times, and do not give up: a worker with a finished chunk in hand (until the
//! chunk is in other hands; for credentials, a minute), a worker between chunks, and `watch`. They call what has its
//! budget used up, so their pauses come on top and multiply nothing that has an end of its own.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use fidelis_contract::outcome::Outcome;

/// Waits of random length below a bound that doubles: `base`, 2·`base`, … up to `cap`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// Bound of the first wait.
    pub base: Duration,
    /// Bound that no wait exceeds.
    pub cap: Duration,
    /// Tries in all, the first included; 0 counts as 1.
    pub max_attempts: u32,
}

impl Default for Backoff {
    /// Six tries; about 1.6 s of waiting on average, never more than 3.1 s.
    fn default() -> Self {
        Backoff { base: Duration::from_millis(100), cap: Duration::from_secs(5), max_attempts: 6 }
    }
}

impl Backoff {
    /// The bound of the wait after failure number `failures` (from 1).
    pub fn bound(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        self.base.saturating_mul(1 << doublings).min(self.cap)
    }

    /// A wait drawn uniformly from zero to [`Backoff::bound`]: a fleet that failed together does not return together.
    pub fn delay(&self, failures: u32) -> Duration {
        self.bound(failures).mul_f64(unit_random())
    }

    /// A count of failures, none so far.
    pub fn attempts(self) -> Attempts {
        Attempts { backoff: self, failures: 0 }
    }

    /// Calls `operation` until it succeeds, fails for good, or has used up its attempts; gives the last result.
    ///
    /// The future may not be `Send` (rust-lang/rust#110338); code that is spawned loops over [`Attempts`] instead.
    ///
    /// # Errors
    /// The operation's own last error.
    pub async fn run<T, E: Outcome>(&self, mut operation: impl AsyncFnMut() -> Result<T, E>) -> Result<T, E> {
        let mut attempts = self.attempts();
        loop {
            match operation().await {
                Err(error) if attempts.again(&error).await => {}
                result => return result,
            }
        }
    }
}

/// The failures of one operation so far.
#[derive(Debug)]
pub struct Attempts {
    backoff: Backoff,
    failures: u32,
}

impl Attempts {
    /// Whether to try again after `error`: then the wait is over. False when it cannot help or was the last try.
    pub async fn again(&mut self, error: &impl Outcome) -> bool {
        self.failures = self.failures.saturating_add(1);
        if !error.is_retryable() || self.failures >= self.backoff.max_attempts {
            return false;
        }
        tokio::time::sleep(self.backoff.delay(self.failures)).await;
        true
    }
}

/// A number in [0, 1). The standard library's randomly keyed hasher is random enough to spread waits.
fn unit_random() -> f64 {
    let bits = RandomState::new().hash_one(0_u8) >> 11;
    bits as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use fidelis_contract::outcome::Class;

    use super::*;

    #[derive(Debug, PartialEq, thiserror::Error)]
    #[error("fault")]
    struct Fault(bool);

    impl Outcome for Fault {
        fn class(&self) -> Class {
            if self.0 { Class::Passing } else { Class::Usage }
        }
    }

    const QUICK: Backoff =
        Backoff { base: Duration::from_millis(1), cap: Duration::from_millis(2), max_attempts: 4 };

    async fn tries_until(success_at: u32, retryable: bool) -> (Result<(), Fault>, u32) {
        let mut tries = 0;
        let result = QUICK
            .run(async || {
                tries += 1;
                if tries == success_at { Ok(()) } else { Err(Fault(retryable)) }
            })
            .await;
        (result, tries)
    }

    #[tokio::test]
    async fn retries_until_it_works() {
        assert_eq!(tries_until(3, true).await, (Ok(()), 3));
    }

    #[tokio::test]
    async fn gives_the_last_error_after_max_attempts() {
        assert_eq!(tries_until(9, true).await, (Err(Fault(true)), 4));
    }

    #[tokio::test]
    async fn never_repeats_what_cannot_help() {
        assert_eq!(tries_until(9, false).await, (Err(Fault(false)), 1));
    }

    #[test]
    fn waits_double_up_to_the_cap_and_vary() {
        let backoff = Backoff::default();
        let bounds = [1, 2, 3, 6, 7, 8, 4_000_000_000].map(|n| backoff.bound(n).as_millis());
        assert_eq!(bounds, [100, 200, 400, 3200, 5000, 5000, 5000]);
        let delays = [(); 32].map(|()| backoff.delay(7));
        assert!(delays.iter().all(|delay| *delay < backoff.cap));
        assert!(delays.iter().any(|delay| *delay != delays[0]), "no jitter: {delays:?}");
    }
}
