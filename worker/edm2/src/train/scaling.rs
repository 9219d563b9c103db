//! Loss scaling: what keeps gradients within float16's range.

/// A larger one overflows in the first steps of small nets, which then teach nothing.
const START: f64 = 1.0;
const LARGEST: f64 = 16_777_216.0;
const SMALLEST: f64 = 1.0 / 1024.0;
/// Steps without an overflow after which the factor grows.
const PATIENCE: u64 = 2000;

/// The factor of the loss, a power of two: it is undone exactly before the optimiser sees the gradients, since it changes
/// during training, and what the optimiser remembers must not. Where a gradient overflows all the same, its values that are
/// not finite count as zero and the step is taken (EDM2's rule); the factor is halved.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LossScale {
    pub factor: f64,
    /// Steps since it last changed.
    pub steps: u64,
}

impl Default for LossScale {
    fn default() -> Self {
        Self { factor: START, steps: 0 }
    }
}

impl LossScale {
    /// After a step whose gradients were all finite, or were not.
    pub fn after(self, is_finite: bool) -> Self {
        match self {
            Self { factor, .. } if !is_finite => Self { factor: (factor / 2.0).max(SMALLEST), steps: 0 },
            Self { factor, steps } if steps + 1 >= PATIENCE => {
                Self { factor: (factor * 2.0).min(LARGEST), steps: 0 }
            }
            Self { factor, steps } => Self { factor, steps: steps + 1 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_factor_falls_at_once_and_rises_with_patience_within_bounds() {
        let start = LossScale::default();
        let fallen = start.after(false);
        assert_eq!((fallen.factor, fallen.steps), (START / 2.0, 0));
        let again = (0..PATIENCE).fold(fallen, |scale, _| scale.after(true));
        assert_eq!((again.factor, again.steps), (START, 0));
        assert_eq!((0..99).fold(start, |scale, _| scale.after(false)).factor, SMALLEST);
        assert_eq!((0..99 * PATIENCE).fold(start, |scale, _| scale.after(true)).factor, LARGEST);
    }
}
