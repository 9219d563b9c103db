//! Heun's second-order sampler, deterministic or with churn (EDM, arXiv 2206.00364, algorithm 2).

use tch::{Device, Kind, Tensor};

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
        if !(2..=10_000).contains(&self.num_steps) {
            return fail("num_steps", "must be 2 to 10000");
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

    /// Noise levels t_0 … t_N, the last one 0, computed in the state's type operation by operation, as the authors do.
    pub fn time_steps(&self) -> Vec<f64> {
        let (lo, hi) = (self.sigma_min.powf(1.0 / self.rho), self.sigma_max.powf(1.0 / self.rho));
        let last = (self.num_steps - 1).max(1) as f64;
        let index = Tensor::arange(self.num_steps as i64, (self.kind(), Device::Cpu));
        // A number beside a tensor is rounded to the tensor's type: so are `hi` and the difference here.
        let steps = (index / last * (lo - hi) + hi).pow_tensor_scalar(self.rho);
        let steps = (0..self.num_steps as i64).map(|i| steps.double_value(&[i]));
        steps.chain([0.0]).collect()
    }

    /// Number of steps in which churn adds noise: that many normal draws each image needs.
    pub fn churn_steps(&self) -> usize {
        self.time_steps()[..self.num_steps].iter().filter(|&&t| self.churns(t)).count()
    }

    fn churns(&self, t: f64) -> bool {
        self.s_churn > 0.0 && self.round(self.s_min) <= t && t <= self.round(self.s_max)
    }

    /// A number as the state's type has it.
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
        let round = |value| self.round(value);
        let t_hat = round(t + round(round(gamma) * t));
        let scale = round(round(round(t_hat * t_hat) - round(t * t)).sqrt());
        let scale = round(scale * round(self.s_noise));
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

    /// As spec and authors have it: the last of 16 steps is below `S_min = sigma_min`, the first of the second case
    /// above `S_max = sigma_max`; neither churns in float32.
    #[test]
    fn the_edges_of_churn_are_those_of_the_states_type() {
        let edge = Sampler { num_steps: 16, s_churn: 4.0, s_min: 0.002, ..Sampler::default() };
        assert_eq!(edge.time_steps()[15] as f32, 0.001_999_999_6);
        assert_eq!(edge.churn_steps(), 15);
        let top =
            Sampler { num_steps: 10, rho: 3.0, sigma_max: 20.0, s_max: 20.0, s_churn: 4.0, ..edge.clone() };
        assert!(top.time_steps()[0] > 20.0);
        assert_eq!(Sampler { s_min: 0.0, ..top.clone() }.churn_steps(), 9);
        let double = Sampler { s_min: 0.0, state: State::Fp64, ..top }.time_steps()[0];
        assert!((double - 20.0).abs() < 1e-13, "{double}");
        // 0.1 is above itself once it is rounded to float32: the edge is rounded too.
        let tenth = Sampler { s_churn: 1.0, s_min: 0.1, s_max: 0.1, ..Sampler::default() };
        assert!(tenth.churns(f64::from(0.1_f32)));
    }

    #[test]
    fn a_perfect_denoiser_is_reached_exactly() {
        let target = Tensor::ones([1, 1, 2, 2], (Kind::Double, Device::Cpu));
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
