//! From values to places, and where an axis has its ticks.

/// An axis of a chart: linear, or logarithmic where the values span much.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    low: f64,
    high: f64,
    is_log: bool,
}

/// Values that span more than this are shown by their logarithms.
const SPAN: f64 = 4.0;

impl Scale {
    /// One that holds all of the values, with a little room; `None` without any.
    pub fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let (low, high) = values
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        if !(low.is_finite() && high.is_finite()) {
            return None;
        }
        let is_log = low > 0.0 && high / low > SPAN;
        let (from, to) = if is_log { (low.ln(), high.ln()) } else { (low, high) };
        let room = if to > from { 0.06 * (to - from) } else { 0.5 * from.abs().max(1.0) };
        Some(Self { low: from - room, high: to + room, is_log })
    }

    /// 0 to 1, for values within.
    pub fn share(&self, value: f64) -> f64 {
        let value = if self.is_log { value.max(f64::MIN_POSITIVE).ln() } else { value };
        ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }

    /// Round numbers within, four to ten of them.
    pub fn ticks(&self) -> Vec<f64> {
        if self.is_log {
            let (low, high) = (self.low.exp(), self.high.exp());
            let decades = (low.log10().floor() as i32)..=(high.log10().ceil() as i32);
            let ticks = decades.flat_map(|power| [1.0, 2.0, 5.0].map(|digit| digit * 10_f64.powi(power)));
            return ticks.filter(|tick| (low..=high).contains(tick)).collect();
        }
        let power = 10_f64.powf(((self.high - self.low) / 5.0).log10().floor());
        let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
        let step =
            steps.into_iter().find(|step| (self.high - self.low) / step <= 7.0).unwrap_or(10.0 * power);
        let first = (self.low / step).ceil() as i64;
        let ticks = (first..).map(|i| i as f64 * step).take_while(|tick| *tick <= self.high);
        // A sum's last digits are no one's.
        ticks.map(|tick| format!("{tick:.10}").parse().unwrap_or(tick)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round() {
        let ticks = |values: &[f64]| Scale::of(values.iter().copied()).unwrap().ticks();
        assert_eq!(ticks(&[1.0, 1.8]), [1.0, 1.2, 1.4, 1.6, 1.8]);
        assert_eq!(ticks(&[7.0, 60.0]), [10.0, 20.0, 50.0]);
        let one = Scale::of([3.0].into_iter()).unwrap();
        assert!((one.share(3.0) - 0.5).abs() < 1e-12 && !one.ticks().is_empty());
        assert!(Scale::of(std::iter::empty()).is_none());
    }
}
