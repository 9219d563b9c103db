//! From noisy points of the ground truth to samples, guided or not.

use fidelis_contract::spec::SamplerSpec;
use tch::{Kind, Tensor};

use super::mixture::Mixture;
use super::model::Model;
use crate::noise::with_seed;
use crate::sampler::{Sampler, Stopped};

/// Noise level at which sampling starts.
pub const SIGMA_MAX: f64 = 5.0;
/// Steps of Heun's method.
const STEPS: u32 = 32;

/// Whose score is followed.
#[derive(Clone, Copy, Debug)]
pub enum Score<'a> {
    /// The exact one.
    Truth(&'a Mixture),
    /// A net's.
    Net(&'a Model),
}

impl Score<'_> {
    /// ∇ log p(x; σ), float32 `[N, 2]` of `x` float32 `[N, 2]`.
    pub fn at(self, x: &Tensor, sigma: f64) -> Tensor {
        let sigma = Tensor::full([x.size()[0]], sigma, (Kind::Float, x.device()));
        match self {
            Self::Truth(mixture) => mixture.evaluate(x, &sigma).1.to_kind(Kind::Float),
            Self::Net(model) => model.score(x, &sigma),
        }
    }
}

/// A score, and another to be guided away from: s₀ + w·(s₁ − s₀).
#[derive(Clone, Copy, Debug)]
pub struct Guided<'a> {
    pub main: Score<'a>,
    /// With w.
    pub guide: Option<(Score<'a>, f64)>,
}

impl<'a> Guided<'a> {
    /// Without guidance.
    pub fn by(main: Score<'a>) -> Self {
        Self { main, guide: None }
    }

    /// The guided score, float32 `[N, 2]`.
    pub fn score(&self, x: &Tensor, sigma: f64) -> Tensor {
        let main = self.main.at(x, sigma);
        match self.guide {
            Some((guide, weight)) => {
                let guide = guide.at(x, sigma);
                &guide + (main - &guide) * weight
            }
            None => main,
        }
    }

    /// Samples from points `start` `[N, 2]` of noise level `sigma_max`; `seen` gets the points before each step, and the
    /// samples at the end.
    pub fn run(&self, start: &Tensor, sigma_max: f64, mut seen: impl FnMut(&Tensor)) -> Tensor {
        let sampler = Sampler::new(SamplerSpec { num_steps: STEPS, sigma_max, ..SamplerSpec::DEFAULT });
        let mut last = f64::INFINITY;
        let steps = sampler.time_steps();
        let denoise = |x: &Tensor, sigma: f64| {
            // Each level but the first and the last is met twice: at the end of a step, and as the next one's start.
            if sigma == steps[0] || sigma == last {
                seen(x);
            }
            last = sigma;
            Ok::<_, Stopped>(x + self.score(x, sigma) * (sigma * sigma))
        };
        let noise = start.to_kind(Kind::Float) / steps[0];
        let samples = sampler.run(&noise, &[], denoise).expect("nothing asks a run of points to stop");
        seen(&samples);
        samples
    }
}

/// Points of the ground truth with noise `sigma` added, of a seed: float32 `[N, 2]`.
pub fn noisy(truth: &Mixture, count: i64, sigma: f64, seed: u64) -> Tensor {
    let points =
        with_seed(seed, || truth.draw(count) + Tensor::randn([count, 2], tch::kind::DOUBLE_CPU) * sigma);
    points.to_kind(Kind::Float)
}
