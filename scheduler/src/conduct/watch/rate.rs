//! How fast a run goes: images come in jumps, so it is measured from jump to jump.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// How far back "recent" goes.
const WINDOW: Duration = Duration::from_secs(300);

/// The moments at which the number of images changed, the first look included.
#[derive(Debug, Default)]
pub(super) struct Rate {
    jumps: VecDeque<(Instant, u64)>,
}

/// How fast, and for how long yet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Pace {
    pub images_per_s: f64,
    /// None before there is a rate.
    pub eta_s: Option<f64>,
}

impl Rate {
    /// The pace of having made `images` of `num_images` now.
    pub(super) fn pace(&mut self, now: Instant, images: u64, num_images: u64) -> Pace {
        self.note(now, images);
        let images_per_s = self.images_per_s();
        let left = num_images.saturating_sub(images) as f64;
        Pace { images_per_s, eta_s: (images_per_s > 0.0).then(|| self.eta_s(now, left)) }
    }

    fn note(&mut self, now: Instant, images: u64) {
        match self.jumps.back() {
            Some((_, last)) if *last == images => return,
            // A flushed Redis starts counting anew, and what a worker had in hand goes with it.
            Some((_, last)) if *last > images => self.jumps.clear(),
            _ => {}
        }
        self.jumps.push_back((now, images));
        while self.jumps.len() > 2 && now - self.jumps[0].0 > WINDOW {
            self.jumps.pop_front();
        }
    }

    fn images_per_s(&self) -> f64 {
        self.jumps.back().map_or(0.0, |(last, _)| self.images_per_s_until(*last))
    }

    fn images_per_s_until(&self, end: Instant) -> f64 {
        let (Some((start, first)), Some((_, last))) = (self.jumps.front(), self.jumps.back()) else {
            return 0.0;
        };
        let seconds = (end - *start).as_secs_f64();
        if seconds > 0.0 { (last - first) as f64 / seconds } else { 0.0 }
    }

    /// Counts down from the last jump. A jump that is overdue shows that the rate fell: then the time since counts too, and
    /// what is left never comes to nothing while something is.
    fn eta_s(&self, now: Instant, left: f64) -> f64 {
        let (Some((start, _)), Some((end, _))) = (self.jumps.front(), self.jumps.back()) else { return 0.0 };
        let (between, since) = ((*end - *start).as_secs_f64(), (now - *end).as_secs_f64());
        let usual = between / (self.jumps.len() - 1).max(1) as f64;
        let counted_down = left / self.images_per_s() - since;
        match counted_down {
            _ if left == 0.0 => 0.0,
            eta if eta >= 1.0 && since <= 2.0 * usual => eta,
            _ => (left / self.images_per_s_until(now)).max(1.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_the_window() {
        let (mut rate, start) = (Rate::default(), Instant::now());
        let at = |s| start + Duration::from_secs(s);
        rate.note(at(0), 100);
        assert_eq!(rate.images_per_s(), 0.0);
        rate.note(at(10), 120);
        rate.note(at(15), 120);
        assert_eq!(rate.images_per_s(), 2.0);
        rate.note(at(1000), 130);
        rate.note(at(1010), 230);
        assert_eq!(rate.images_per_s(), 10.0, "what lies before the window counts no more");
        rate.note(at(1020), 0);
        assert_eq!(rate.images_per_s(), 0.0);
    }

    #[test]
    fn time_runs_down_and_never_out() {
        let (mut rate, start) = (Rate::default(), Instant::now());
        let mut eta = |s, images| rate.pace(start + Duration::from_secs(s), images, 400).eta_s;
        assert_eq!(eta(0, 0), None);
        assert_eq!(eta(10, 100), Some(30.0));
        assert_eq!(eta(15, 100), Some(25.0), "it runs down between the jumps");
        assert_eq!(eta(40, 100), Some(120.0), "overdue: it is slower than was thought");
        assert_eq!(eta(60, 300), Some(20.0));
        assert_eq!(eta(70, 399), Some(1.0));
        assert!(eta(110, 399).unwrap() >= 1.0, "something is left");
        assert_eq!(eta(111, 400), Some(0.0));
    }
}
