//! The formulas' constants as factors of weights.

use crate::dense::{Dense, Input};
use crate::kernels::{Panels, WIDTH, packs_of};
use crate::net::mp_conv::MpConv;

/// Root mean square of `silu(x)` for standard normal `x`: what mp_silu divides by.
pub const SILU_MAGNITUDE: f64 = 0.596;

/// A layer's acting weight.
pub fn acting(layer: &MpConv) -> Dense {
    Dense::of(&layer.acting_weight())
}

/// A weight that hands on parts as they are, times their factors, side by side without gaps.
pub fn identity(inputs: &[Input], factor: f64) -> Vec<Panels> {
    let outputs = inputs.iter().map(|part| part.channels).sum();
    let mut from = 0;
    let mut part_of = |part: &Input| {
        let first = from;
        from += part.channels;
        Panels::new(packs_of(part.channels) * WIDTH, outputs, |row, column| {
            if row < part.channels && first + row == column { (part.factor * factor) as f32 } else { 0.0 }
        })
    };
    inputs.iter().map(&mut part_of).collect()
}

/// The factors of mp_sum: of the first summand and of the second, which has the share `t`.
pub fn sum_factors(t: f64) -> (f64, f64) {
    let magnitude = ((1.0 - t).powi(2) + t.powi(2)).sqrt();
    ((1.0 - t) / magnitude, t / magnitude)
}
