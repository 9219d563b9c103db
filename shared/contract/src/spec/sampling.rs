//! The rules of everything that decides how images are sampled: of specs, and of command lines that do without one.

use super::validate::{Checked, field, require};
use super::{SamplerSpec, StateDtype};

/// Steps that anybody takes; more were a typo that holds a device for hours.
const MAX_STEPS: u32 = 10_000;
/// The nets square noise levels in float32.
const MAX_SIGMA: f64 = 1e18;

/// Guidance and sampler of a run.
#[derive(Debug, Clone, Copy)]
pub struct Sampling<'a> {
    /// w in D = D₀ + w·(D₁ − D₀); 1 is unguided.
    pub guidance: f64,
    /// Whether there is a net to guide by.
    pub has_gnet: bool,
    /// Guide only for sigma in (lo, hi].
    pub guidance_interval: Option<(f64, f64)>,
    /// The sampler's settings.
    pub sampler: &'a SamplerSpec,
}

impl Sampling<'_> {
    /// Checks every number.
    ///
    /// # Errors
    /// [`SpecError::Field`](super::SpecError::Field) for the first rule that is broken.
    pub fn validate(&self) -> Checked {
        let guidance = self.guidance;
        require(is_single(guidance), "guidance", || format!("`{guidance}` is no finite number of float32"))?;
        require(guidance == 1.0 || self.has_gnet, "guidance", || {
            format!("`{guidance}` needs a guiding net: set `gnet`, or set guidance to `1`")
        })?;
        if let Some((lo, hi)) = self.guidance_interval {
            require(is_single(lo) && is_single(hi) && lo >= 0.0 && lo < hi, "guidance_interval", || {
                format!("`[{lo}, {hi}]` is no interval of noise levels: use `0 <= lo < hi`")
            })?;
        }
        self.sampler.validate()
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

fn is_single(value: f64) -> bool {
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

    #[test]
    fn guidance_is_a_number() {
        let sampler = SamplerSpec::default();
        let with = |guidance, guidance_interval| {
            Sampling { guidance, has_gnet: true, guidance_interval, sampler: &sampler }.validate().is_ok()
        };
        assert!(with(2.5, None) && with(-1.0, Some((0.0, 80.0))));
        assert!(!with(f64::NAN, None) && !with(f64::INFINITY, None) && !with(1e300, None));
        for (lo, hi) in [(0.5, f64::INFINITY), (f64::NAN, 1.0), (1.0, 1.0), (-1.0, 1.0)] {
            assert!(!with(2.0, Some((lo, hi))), "{lo} {hi}");
        }
    }
}
