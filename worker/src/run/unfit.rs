//! Runs that this worker could not make, and for how long it believes so.

use std::{collections::HashMap, time::Duration};

use fidelis_contract::ids::Digest;
use fidelis_fleet::retry::Backoff;
use tokio::time::Instant;

/// How long a worker stays away from a run that it cannot make: what is missing may be put there.
const AWAY: Backoff =
    Backoff { base: Duration::from_secs(1), cap: Duration::from_secs(60), max_attempts: u32::MAX };
/// Runs remembered.
const CAPACITY: usize = 64;

/// What this worker knows of its own limits.
#[derive(Debug, Default)]
pub struct Unfit(HashMap<Digest, Refusal>);

#[derive(Debug)]
struct Refusal {
    cause: String,
    until: Instant,
    times: u32,
}

impl Unfit {
    /// Why a run was refused, for as long as trying again is no use.
    pub fn cause(&self, spec: &Digest, now: Instant) -> Option<&str> {
        self.0.get(spec).filter(|refusal| refusal.until > now).map(|refusal| refusal.cause.as_str())
    }

    /// Remembers a refusal; gives how often the run was tried, and for how long to stay away from it.
    pub fn note(&mut self, spec: Digest, cause: &str, now: Instant) -> (u32, Duration) {
        if self.0.len() >= CAPACITY && !self.0.contains_key(&spec) {
            self.0.clear();
        }
        let refusal =
            self.0.entry(spec).or_insert_with(|| Refusal { cause: String::new(), until: now, times: 0 });
        // An answer from memory is no new try.
        if refusal.until <= now {
            refusal.times = refusal.times.saturating_add(1);
            refusal.until = now + AWAY.bound(refusal.times);
            refusal.cause = cause.to_owned();
        }
        (refusal.times, refusal.until - now)
    }

    /// It could be made after all.
    pub fn forget(&mut self, spec: &Digest) {
        self.0.remove(spec);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_remembered_for_longer_each_time() {
        let (spec, mut unfit, now) = (Digest([1; 32]), Unfit::default(), Instant::now());
        let later = now + Duration::from_secs(1);
        assert_eq!(unfit.cause(&spec, now), None);
        assert_eq!(unfit.note(spec, "no net", now), (1, Duration::from_secs(1)));
        assert_eq!(unfit.cause(&spec, now), Some("no net"));
        assert_eq!(unfit.note(spec, "no net", now).0, 1, "an answer from memory");
        assert_eq!(unfit.cause(&spec, later), None, "worth another try");
        assert_eq!(unfit.note(spec, "still none", later), (2, Duration::from_secs(2)));
        unfit.forget(&spec);
        assert_eq!(unfit.cause(&spec, later), None);
    }
}
