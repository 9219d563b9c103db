//! Heun's second-order sampler, deterministic or with churn (EDM, arXiv 2206.00364, algorithm 2).

use tch::{Kind, Tensor};

/// Number type of the sampler's state and time steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Fp32,
    Fp64,
}

/// Options of the sampler; the defaults are EDM2's.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampler {
    pub num_steps: usize,
    pub sigma_min: f64,
    pub sigma_max: f64,
    pub rho: f64,
    /// Amount of noise added over the whole run; 0 for the deterministic sampler.
    pub s_churn: f64,
    /// Churn acts for noise levels in [s_min, s_max].
    pub s_min: f64,
    pub s_max: f64,
    /// Standard deviation of the added noise, relative to what the step needs.
    pub s_noise: f64,
    pub state: State,
}

impl Default for Sampler {
    fn default() -> Self {
        Self {
            num_steps: 32,
            sigma_min: 0.002,
            sigma_max: 80.0,
            rho: 7.0,
            s_churn: 0.0,
            s_min: 0.0,
            s_max: f64::INFINITY,
            s_noise: 1.0,
            state: State::Fp32,
        }
    }
}

/// A sampler that cannot run.
#[derive(Debug, thiserror::Error)]
#[error("the sampler's `{field}` {problem}")]
pub struct SamplerError {
    pub field: &'static str,
    pub problem: String,
}

/// The run was asked to stop between two steps.
#[derive(Debug, thiserror::Error)]
#[error("stopped between two sampling steps")]
pub struct Stopped;

impl Sampler {
    /// Checks that the time steps fall strictly from `sigma_max` to `sigma_min` > 0.
    pub fn check(&self) -> Result<(), SamplerError> {
        let fail = |field, problem: &str| Err(SamplerError { field, problem: problem.to_owned() });
        if !(1..=10_000).contains(&self.num_steps) {
            return fail("num_steps", "must be 1 to 10000");
        }
        if !(self.sigma_min > 0.0 && self.sigma_min < self.sigma_max && self.sigma_max.is_finite()) {
            return fail("sigma_min", "and `sigma_max` must satisfy 0 < sigma_min < sigma_max");
        }
        if !(self.rho > 0.0 && self.rho.is_finite()) {
            return fail("rho", "must be a positive number");
        }
        for (field, value) in [("S_churn", self.s_churn), ("S_min", self.s_min), ("S_noise", self.s_noise)] {
            if !(value >= 0.0 && value.is_finite()) {
                return fail(field, "must be zero or a positive number");
            }
        }
        if self.s_max.is_nan() || self.s_max < self.s_min {
            return fail("S_max", "must not be below `S_min`");
        }
        Ok(())
    }

    /// Noise levels t_0 … t_N, the last one 0, rounded to the state's type.
    pub fn time_steps(&self) -> Vec<f64> {
        let (lo, hi) = (self.sigma_min.powf(1.0 / self.rho), self.sigma_max.powf(1.0 / self.rho));
        let last = (self.num_steps - 1).max(1) as f64;
        let step = |i: usize| self.round((hi + i as f64 / last * (lo - hi)).powf(self.rho));
        (0..self.num_steps).map(step).chain([0.0]).collect()
    }

    /// Number of steps in which churn adds noise: that many normal draws each image needs.
    pub fn churn_steps(&self) -> usize {
        self.time_steps()[..self.num_steps].iter().filter(|&&t| self.churns(t)).count()
    }

    fn churns(&self, t: f64) -> bool {
        self.s_churn > 0.0 && self.s_min <= t && t <= self.s_max
    }

    fn round(&self, t: f64) -> f64 {
        match self.state {
            State::Fp32 => f64::from(t as f32),
            State::Fp64 => t,
        }
    }

    fn kind(&self) -> Kind {
        match self.state {
            State::Fp32 => Kind::Float,
            State::Fp64 => Kind::Double,
        }
    }

    /// Integrates from `noise` `[N, C, H, W]` (standard normal) to latents of the same shape in the state's type.
    /// `churn` holds one draw for each step that churns. `denoise(x, σ)` is D(x; σ) in the state's type.
    pub fn run(
        &self,
        noise: &Tensor,
        churn: &[Tensor],
        mut denoise: impl FnMut(&Tensor, f64) -> Result<Tensor, Stopped>,
    ) -> Result<Tensor, Stopped> {
        let steps = self.time_steps();
        let mut churn = churn.iter();
        let mut x = noise.to_kind(self.kind()) * steps[0];
        for i in 0..self.num_steps {
            let (t, next) = (steps[i], steps[i + 1]);
            let (t_hat, x_hat) = if self.churns(t) {
                let draw = churn.next().expect("one churn draw for each step that churns");
                self.add_noise(&x, t, draw)
            } else {
                (t, x)
            };
            let d = (&x_hat - denoise(&x_hat, t_hat)?) / t_hat;
            x = &x_hat + &d * (next - t_hat);
            if i + 1 < self.num_steps {
                let d_next = (&x - denoise(&x, next)?) / next;
                x = x_hat + (d + d_next) * (0.5 * (next - t_hat));
            }
        }
        Ok(x)
    }

    fn add_noise(&self, x: &Tensor, t: f64, draw: &Tensor) -> (f64, Tensor) {
        let gamma = (self.s_churn / self.num_steps as f64).min(std::f64::consts::SQRT_2 - 1.0);
        let t_hat = self.round(t * (1.0 + gamma));
        let scale = (t_hat * t_hat - t * t).sqrt() * self.s_noise;
        (t_hat, x + draw.to_device(x.device()).to_kind(self.kind()) * scale)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_steps_fall_from_sigma_max_to_sigma_min_and_end_at_zero() {
        let steps = Sampler { state: State::Fp64, ..Sampler::default() }.time_steps();
        assert_eq!(steps.len(), 33);
        assert!((steps[0] - 80.0).abs() < 1e-9 && (steps[31] - 0.002).abs() < 1e-12 && steps[32] == 0.0);
        assert!(steps.windows(2).all(|w| w[0] > w[1]));
    }

    #[test]
    fn a_perfect_denoiser_is_reached_exactly() {
        let target = Tensor::ones([1, 1, 2, 2], (Kind::Double, tch::Device::Cpu));
        let sampler = Sampler { state: State::Fp64, num_steps: 4, ..Sampler::default() };
        let found = sampler.run(&target.zeros_like(), &[], |_, _| Ok(target.shallow_clone())).unwrap();
        assert!((found - target).abs().max().double_value(&[]) < 1e-12);
    }

    #[test]
    fn churn_acts_only_inside_its_interval() {
        let sampler = Sampler { s_churn: 3.0, s_min: 0.05, s_max: 50.0, num_steps: 12, ..Sampler::default() };
        let inside = sampler.time_steps().iter().filter(|&&t| (0.05..=50.0).contains(&t)).count();
        assert_eq!(sampler.churn_steps(), inside);
        assert_eq!(Sampler::default().churn_steps(), 0);
    }

    #[test]
    fn options_out_of_range_are_named() {
        let wrong = Sampler { sigma_min: 1.0, sigma_max: 0.5, ..Sampler::default() };
        assert!(wrong.check().unwrap_err().to_string().contains("sigma_min"));
        assert!(Sampler { num_steps: 0, ..Sampler::default() }.check().is_err());
        assert!(Sampler::default().check().is_ok());
    }
}
