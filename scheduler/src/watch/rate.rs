//! How fast a run goes: chunks come in jumps, so it is measured from jump to jump.

use std::collections::VecDeque;
use std::time::Duration;

use fidelis_contract::{events::Event, run::Run};
use tokio::time::Instant;

/// How far back "recent" goes.
const WINDOW: Duration = Duration::from_secs(300);

/// The moments at which the number of images changed, the first look included.
#[derive(Debug, Default)]
pub(super) struct Rate {
    jumps: VecDeque<(Instant, u64)>,
}

impl Rate {
    /// The event of having `done_images` now.
    pub(super) fn event(&mut self, run: &Run, done_images: u64) -> Event {
        let (now, num_images) = (Instant::now(), run.plan.num_images());
        self.note(now, done_images);
        let images_per_s = self.images_per_s();
        let left = num_images.saturating_sub(done_images) as f64;
        let since = self.jumps.back().map_or(0.0, |(at, _)| (now - *at).as_secs_f64());
        let eta_s = (images_per_s > 0.0).then(|| (left / images_per_s - since).max(0.0));
        Event::Progress { run: run.id.clone(), done_images, num_images, images_per_s, eta_s }
    }

    fn note(&mut self, now: Instant, done_images: u64) {
        match self.jumps.back() {
            Some((_, last)) if *last == done_images => return,
            // A flushed Redis starts counting anew.
            Some((_, last)) if *last > done_images => self.jumps.clear(),
            _ => {}
        }
        self.jumps.push_back((now, done_images));
        while self.jumps.len() > 2 && now - self.jumps[0].0 > WINDOW {
            self.jumps.pop_front();
        }
    }

    fn images_per_s(&self) -> f64 {
        let (Some((start, first)), Some((end, last))) = (self.jumps.front(), self.jumps.back()) else {
            return 0.0;
        };
        let seconds = (*end - *start).as_secs_f64();
        if seconds > 0.0 { (last - first) as f64 / seconds } else { 0.0 }
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
}
