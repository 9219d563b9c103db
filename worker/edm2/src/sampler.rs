//! Heun's second-order sampler, deterministic or with churn (EDM, arXiv 2206.00364, algorithm 2).

use fidelis_contract::spec::{SamplerSpec, StateDtype};
use tch::{Device, Kind, Tensor};

/// Settings with the noise levels that they make.
#[derive(Clone, Debug)]
pub struct Sampler {
    spec: SamplerSpec,
    /// t_0 … t_N, falling, the last one 0.
    steps: Vec<f64>,
}

/// The run was asked to stop between two steps.
#[derive(Debug, thiserror::Error)]
#[error("stopped between two sampling steps")]
pub struct Stopped;

impl Sampler {
    /// A sampler of settings that their own rules let pass ([`SamplerSpec::validate`]).
    pub fn new(spec: SamplerSpec) -> Self {
        let steps = time_steps(&spec);
        Self { spec, steps }
    }

    /// Noise levels t_0 … t_N, the last one 0.
    pub fn time_steps(&self) -> &[f64] {
        &self.steps
    }

    /// Number of steps in which churn adds noise: that many normal draws each image needs.
    pub fn churn_steps(&self) -> usize {
        self.steps.iter().filter(|&&t| t > 0.0 && self.churns(t)).count()
    }

    fn churns(&self, t: f64) -> bool {
        self.spec.s_churn > 0.0 && self.round(self.spec.s_min) <= t && t <= self.round(self.spec.s_max)
    }

    /// A number as the state's type has it.
    fn round(&self, t: f64) -> f64 {
        match self.spec.state {
            StateDtype::Fp32 => f64::from(t as f32),
            StateDtype::Fp64 => t,
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
        let mut churn = churn.iter();
        let mut x = noise.to_kind(kind(&self.spec)) * self.steps[0];
        for pair in self.steps.windows(2) {
            let (t, next) = (pair[0], pair[1]);
            let (t_hat, x_hat) = if self.churns(t) {
                let draw = churn.next().expect("one churn draw for each step that churns");
                self.add_noise(&x, t, draw)
            } else {
                (t, x)
            };
            let d = (&x_hat - denoise(&x_hat, t_hat)?) / t_hat;
            x = &x_hat + &d * (next - t_hat);
            if next > 0.0 {
                let d_next = (&x - denoise(&x, next)?) / next;
                x = x_hat + (d + d_next) * (0.5 * (next - t_hat));
            }
        }
        Ok(x)
    }

    fn add_noise(&self, x: &Tensor, t: f64, draw: &Tensor) -> (f64, Tensor) {
        let gamma = (self.spec.s_churn / f64::from(self.spec.num_steps)).min(std::f64::consts::SQRT_2 - 1.0);
        let round = |value| self.round(value);
        let t_hat = round(t + round(round(gamma) * t));
        let scale = round(round(round(t_hat * t_hat) - round(t * t)).sqrt());
        let scale = round(scale * round(self.spec.s_noise));
        (t_hat, x + draw.to_device(x.device()).to_kind(kind(&self.spec)) * scale)
    }
}

/// Computed in the state's type operation by operation, as the authors do.
fn time_steps(spec: &SamplerSpec) -> Vec<f64> {
    let (lo, hi) = (spec.sigma_min.powf(1.0 / spec.rho), spec.sigma_max.powf(1.0 / spec.rho));
    let num_steps = i64::from(spec.num_steps);
    let index = Tensor::arange(num_steps, (kind(spec), Device::Cpu));
    // A number beside a tensor is rounded to the tensor's type: so are `hi` and the difference here.
    let steps = (index / (num_steps - 1) as f64 * (lo - hi) + hi).pow_tensor_scalar(spec.rho);
    (0..num_steps).map(|i| steps.double_value(&[i])).chain([0.0]).collect()
}

fn kind(spec: &SamplerSpec) -> Kind {
    match spec.state {
        StateDtype::Fp32 => Kind::Float,
        StateDtype::Fp64 => Kind::Double,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_steps_fall_from_sigma_max_to_sigma_min_and_end_at_zero() {
        let sampler = Sampler::new(SamplerSpec { state: StateDtype::Fp64, ..SamplerSpec::DEFAULT });
        let steps = sampler.time_steps();
        assert_eq!(steps.len(), 33);
        assert!((steps[0] - 80.0).abs() < 1e-9 && (steps[31] - 0.002).abs() < 1e-12 && steps[32] == 0.0);
        assert!(steps.windows(2).all(|w| w[0] > w[1]));
    }

    /// As spec and authors have it: the last of 16 steps is below `S_min = sigma_min`, the first of the second case
    /// above `S_max = sigma_max`; neither churns in float32.
    #[test]
    fn the_edges_of_churn_are_those_of_the_states_type() {
        let edge = SamplerSpec { num_steps: 16, s_churn: 4.0, s_min: 0.002, ..SamplerSpec::DEFAULT };
        let sampler = Sampler::new(edge.clone());
        assert_eq!((sampler.time_steps()[15] as f32, sampler.churn_steps()), (0.001_999_999_6, 15));
        let top = SamplerSpec { num_steps: 10, rho: 3.0, sigma_max: 20.0, s_max: 20.0, s_min: 0.0, ..edge };
        let sampler = Sampler::new(top.clone());
        assert!(sampler.time_steps()[0] > 20.0 && sampler.churn_steps() == 9);
        let double = Sampler::new(SamplerSpec { state: StateDtype::Fp64, ..top }).time_steps()[0];
        assert!((double - 20.0).abs() < 1e-13, "{double}");
        // 0.1 is above itself once it is rounded to float32: the edge is rounded too.
        let tenth =
            Sampler::new(SamplerSpec { s_churn: 1.0, s_min: 0.1, s_max: 0.1, ..SamplerSpec::DEFAULT });
        assert!(tenth.churns(f64::from(0.1_f32)));
    }

    #[test]
    fn a_perfect_denoiser_is_reached_exactly() {
        let target = Tensor::ones([1, 1, 2, 2], (Kind::Double, Device::Cpu));
        let spec = SamplerSpec { state: StateDtype::Fp64, num_steps: 4, ..SamplerSpec::DEFAULT };
        let sampler = Sampler::new(spec);
        let found = sampler.run(&target.zeros_like(), &[], |_, _| Ok(target.shallow_clone())).unwrap();
        assert!((found - target).abs().max().double_value(&[]) < 1e-12);
    }

    #[test]
    fn churn_acts_only_inside_its_interval() {
        let churning =
            SamplerSpec { s_churn: 3.0, s_min: 0.05, s_max: 50.0, num_steps: 12, ..SamplerSpec::DEFAULT };
        let sampler = Sampler::new(churning);
        let inside = sampler.time_steps().iter().filter(|&&t| (0.05..=50.0).contains(&t)).count();
        assert_eq!(sampler.churn_steps(), inside);
        assert_eq!(Sampler::new(SamplerSpec::DEFAULT).churn_steps(), 0);
    }
}
