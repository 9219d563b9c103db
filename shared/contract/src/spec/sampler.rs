//! The sampler's settings, their defaults and their rules.

use serde::{Deserialize, Serialize};

use super::{
    float,
    validate::{Checked, field, require},
};
use crate::text::text_enum;

/// Steps that anybody takes; more were a typo that holds a device for hours.
const MAX_STEPS: u32 = 10_000;
/// The nets square noise levels in float32.
const MAX_SIGMA: f64 = 1e18;

text_enum! {
    /// The sampler state's type.
    #[derive(Default)]
    StateDtype: "state" {
        /// IEEE single.
        #[default]
        Fp32 = "fp32",
        /// IEEE double.
        Fp64 = "fp64",
    }
}

/// Heun's method with optional churn; fields as EDM names them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SamplerSpec {
    /// N; a run of the net takes 2N − 1 evaluations per image.
    pub num_steps: u32,
    /// The last noise level before 0.
    pub sigma_min: f64,
    /// The first noise level.
    pub sigma_max: f64,
    /// Bend of the schedule.
    pub rho: f64,
    /// Noise added per run; 0 is deterministic.
    #[serde(rename = "S_churn")]
    pub s_churn: f64,
    /// Churn only at noise levels from here …
    #[serde(rename = "S_min")]
    pub s_min: f64,
    /// … to here; may be infinite, written `inf`.
    #[serde(rename = "S_max", with = "float")]
    pub s_max: f64,
    /// Scale of the added noise.
    #[serde(rename = "S_noise")]
    pub s_noise: f64,
    /// Type of the state and the time steps.
    pub state: StateDtype,
}

impl SamplerSpec {
    /// EDM2's.
    pub const DEFAULT: Self = Self {
        num_steps: 32,
        sigma_min: 0.002,
        sigma_max: 80.0,
        rho: 7.0,
        s_churn: 0.0,
        s_min: 0.0,
        s_max: f64::INFINITY,
        s_noise: 1.0,
        state: StateDtype::Fp32,
    };
}

impl Default for SamplerSpec {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl SamplerSpec {
    /// Checks the sampler's settings; also for use without a spec.
    ///
    /// # Errors
    /// [`SpecError::Field`](super::SpecError::Field) for the first rule that is broken.
    pub fn validate(&self) -> Checked {
        require((2..=MAX_STEPS).contains(&self.num_steps), "sampler.num_steps", || {
            format!("`{}` is out of range: use `2` to `{MAX_STEPS}`", self.num_steps)
        })?;
        let positive = |value: f64| value > 0.0 && value <= MAX_SIGMA;
        let at_least_zero = |value: f64| value >= 0.0 && is_single(value);
        for (name, value, good) in [
            ("sampler.sigma_min", self.sigma_min, positive(self.sigma_min)),
            ("sampler.sigma_max", self.sigma_max, positive(self.sigma_max)),
            ("sampler.rho", self.rho, positive(self.rho)),
            ("sampler.S_churn", self.s_churn, at_least_zero(self.s_churn)),
            ("sampler.S_min", self.s_min, at_least_zero(self.s_min)),
            ("sampler.S_max", self.s_max, self.s_max >= self.s_min),
            ("sampler.S_noise", self.s_noise, at_least_zero(self.s_noise)),
        ] {
            require(good, name, || format!("`{value}` is out of range"))?;
        }
        require(self.sigma_min < self.sigma_max, "sampler.sigma_min", || {
            format!("`{}` is not below sigma_max, `{}`", self.sigma_min, self.sigma_max)
        })?;
        self.check_steps()
    }

    /// The noise levels have to be positive numbers that fall, in the state's type too.
    fn check_steps(&self) -> Checked {
        let round = |value: f64| match self.state {
            StateDtype::Fp32 => f64::from(value as f32),
            StateDtype::Fp64 => value,
        };
        let (lo, hi) = (self.sigma_min.powf(1.0 / self.rho), self.sigma_max.powf(1.0 / self.rho));
        let last = f64::from(self.num_steps - 1);
        let step = |i: u32| {
            round(round(round(hi) + round(round(f64::from(i) / last) * round(lo - hi))).powf(self.rho))
        };
        let good = (1..self.num_steps)
            .map(|i| (step(i - 1), step(i)))
            .all(|(before, after)| before.is_finite() && after > 0.0 && before > after);
        if good {
            return Ok(());
        }
        let (rho, min, max, state) = (self.rho, self.sigma_min, self.sigma_max, self.state);
        Err(field(
            "sampler.rho",
            format!(
                "`{rho}` makes no falling noise levels of sigma `{max}` to `{min}` in `{}` steps of `{state}`: use one nearer to `7`, or fewer steps",
                self.num_steps
            ),
        ))
    }
}

pub(super) fn is_single(value: f64) -> bool {
    (value as f32).is_finite()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(sampler: SamplerSpec) -> String {
        sampler.validate().map_or_else(|error| error.to_string(), |()| String::new())
    }

    #[test]
    fn what_no_worker_can_do_is_refused() {
        let base = SamplerSpec::default();
        assert_eq!(refused(base.clone()), "");
        assert_eq!(refused(SamplerSpec { num_steps: MAX_STEPS, ..base.clone() }), "");
        for (word, sampler) in [
            ("num_steps", SamplerSpec { num_steps: 20_000, ..base.clone() }),
            ("num_steps", SamplerSpec { num_steps: 1, ..base.clone() }),
            ("sigma_max", SamplerSpec { sigma_max: f64::INFINITY, ..base.clone() }),
            ("sigma_max", SamplerSpec { sigma_max: 1e30, ..base.clone() }),
            ("sigma_min", SamplerSpec { sigma_min: f64::NAN, ..base.clone() }),
            ("rho", SamplerSpec { sigma_min: 1e-60, ..base.clone() }),
            ("rho", SamplerSpec { rho: 1e-3, ..base.clone() }),
            ("rho", SamplerSpec { rho: 1e9, ..base.clone() }),
            ("S_churn", SamplerSpec { s_churn: f64::INFINITY, ..base.clone() }),
            ("S_min", SamplerSpec { s_min: -1.0, ..base.clone() }),
            ("S_max", SamplerSpec { s_max: f64::NAN, ..base.clone() }),
            ("S_noise", SamplerSpec { s_noise: 1e300, ..base.clone() }),
        ] {
            let error = refused(sampler);
            assert!(error.contains(&format!("`sampler.{word}`")), "{word}: {error}");
        }
    }
}
