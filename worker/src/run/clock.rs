//! Whether the device is made use of: what it did, and for how long it did nothing although there was something to do.

use std::time::Duration;

use fidelis_fleet::queue::DeviceTime;
use tokio::time::Instant;

/// Tells time in which there was nothing to do from time in which the device waited for us: for a claim, a look into the
/// store, a file, a chunk before that is not stored yet.
#[derive(Debug)]
pub struct DeviceClock {
    /// The device does nothing, and perhaps could, since then; or it is busy since then.
    since: Instant,
    /// How long it could have done something before what it does now.
    idle: Duration,
}

impl DeviceClock {
    /// Starts with a device that does nothing.
    pub fn new(now: Instant) -> Self {
        Self { since: now, idle: Duration::ZERO }
    }

    /// No chunk was to be had until now.
    pub fn found_nothing(&mut self, now: Instant) {
        self.since = now;
    }

    /// A chunk came, and for a while before there was none.
    pub fn waited(&mut self, time: Duration, now: Instant) {
        self.since = (self.since + time).min(now);
    }

    /// The device begins with a chunk.
    pub fn begin(&mut self, now: Instant) {
        (self.idle, self.since) = (now - self.since, now);
    }

    /// It is done with it; gives what that took, and how long it had been waiting before.
    pub fn end(&mut self, now: Instant) -> DeviceTime {
        let spent = DeviceTime { busy: now - self.since, idle: self.idle };
        self.since = now;
        spent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_could_have_been_used_is_idle() {
        let (ms, start) = (Duration::from_millis, Instant::now());
        let at = |time| start + ms(time);
        let mut clock = DeviceClock::new(start);
        clock.found_nothing(at(500));
        // It came after 100 ms, for 70 of which there was none.
        clock.waited(ms(70), at(600));
        clock.begin(at(610));
        assert_eq!(clock.end(at(1610)), DeviceTime { busy: ms(1000), idle: ms(40) });
        clock.begin(at(1670));
        assert_eq!(clock.end(at(2670)), DeviceTime { busy: ms(1000), idle: ms(60) });
    }
}
