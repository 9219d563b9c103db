//! Learning rate over a training run (EDM2, equation 67 with the linear ramp-up of section 2.4).

use serde::{Deserialize, Serialize};

/// lr(t) = α_ref / √max(t/(t_ref·batch), 1) · min(t/ramp-up, 1), t in images seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LrSchedule {
    /// Learning rate before the decay sets in.
    pub alpha_ref: f64,
    /// Steps after which the rate falls with the inverse square root.
    pub t_ref: f64,
    /// Images over which the rate rises from zero; the paper takes ten million.
    #[serde(default = "ten_million")]
    pub rampup_images: f64,
}

fn ten_million() -> f64 {
    10e6
}

impl LrSchedule {
    /// The rate for the step that starts after `seen` images, in steps of `batch`.
    pub fn at(&self, seen: u64, batch: u64) -> f64 {
        let seen = seen as f64;
        let decay = (seen / (self.t_ref * batch as f64)).max(1.0).sqrt();
        let rampup = if self.rampup_images > 0.0 { (seen / self.rampup_images).min(1.0) } else { 1.0 };
        self.alpha_ref / decay * rampup
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_rises_stays_and_falls() {
        let schedule = LrSchedule { alpha_ref: 0.01, t_ref: 100.0, rampup_images: 1000.0 };
        assert_eq!(schedule.at(0, 100), 0.0);
        assert_eq!(schedule.at(500, 100), 0.005);
        assert_eq!(schedule.at(10_000, 100), 0.01);
        assert_eq!(schedule.at(40_000, 100), 0.005);
    }
}
