//! Exact score matching: the nets learn the score of the ground truth itself (autoguidance, appendix C).

use tch::{Device, Kind, Tensor};

use super::mixture::Mixture;
use super::model::Model;
use super::tree::{Classes, ground_truth};
use crate::net::StateDict;
use crate::noise::with_seed;
use crate::train::{Adam, Ema, LrSchedule, mixed};

/// Streams of the initial weights and of the steps' draws.
const INIT_STREAM: u64 = 1 << 40;

/// A training run of the 2D example.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ToyRecipe {
    pub classes: Classes,
    /// Channels of the layers.
    pub dim: i64,
    /// Layers after the first.
    pub layers: usize,
    pub iterations: u64,
    /// Points in an iteration.
    pub batch: i64,
    /// Mean and standard deviation of ln σ.
    pub p_mean: f64,
    pub p_std: f64,
    /// Learning rate before it decays, and the iterations until then.
    pub lr_ref: f64,
    pub t_ref: f64,
    /// Relative width of the moving average.
    pub ema: f64,
}

impl ToyRecipe {
    /// D₁, the net that is guided.
    pub const MAIN: Self = Self {
        classes: Classes::A,
        dim: 64,
        layers: 4,
        iterations: 4096,
        batch: 4096,
        p_mean: -2.3,
        p_std: 1.5,
        lr_ref: 0.01,
        t_ref: 512.0,
        ema: 0.010,
    };
    /// D₀ of autoguidance: narrower and less trained.
    pub const AUTOGUIDANCE: Self = Self { dim: 32, iterations: 512, ..Self::MAIN };
    /// D₀ of classifier-free guidance: likewise, and of both classes.
    pub const CFG: Self = Self { classes: Classes::Both, ..Self::AUTOGUIDANCE };
}

/// A net of the 2D example in training.
#[derive(Debug)]
pub struct ToyTrainer {
    recipe: ToyRecipe,
    truth: Mixture,
    model: Model,
    weights: StateDict,
    adam: Adam,
    ema: Ema,
    iteration: u64,
}

/// What one iteration did.
#[derive(Debug)]
pub struct ToyStep {
    /// σ² · (squared error of the score), mean over points and coordinates.
    pub loss: f64,
    pub lr: f64,
    /// As the net had it before the step: float32 `[N, 2]`.
    pub score: Tensor,
}

impl ToyTrainer {
    /// Fresh weights of `seed`.
    pub fn new(recipe: ToyRecipe, seed: u64) -> Self {
        let model = with_seed(mixed(seed, INIT_STREAM), || Model::fresh(recipe.dim, recipe.layers));
        Self::starting_from(recipe, model, 0)
    }

    /// From these weights, after `iteration` iterations; optimiser and average are fresh.
    pub fn starting_from(recipe: ToyRecipe, model: Model, iteration: u64) -> Self {
        let weights = model.state();
        let (adam, ema) = (Adam::new(&weights, 0.99), Ema::new(recipe.ema, &weights));
        Self { recipe, truth: ground_truth(recipe.classes), model, weights, adam, ema, iteration }
    }

    /// Iterations done.
    pub fn iteration(&self) -> u64 {
        self.iteration
    }

    /// One iteration at points of its own; `seed` as for [`Self::new`].
    pub fn advance(&mut self, seed: u64) -> ToyStep {
        let batch = self.recipe.batch;
        let (x, sigma) = with_seed(mixed(seed, self.iteration), || {
            let options = (Kind::Double, Device::Cpu);
            let sigma = (Tensor::randn([batch], options) * self.recipe.p_std + self.recipe.p_mean).exp();
            let noise = Tensor::randn([batch, 2], options) * sigma.unsqueeze(-1);
            (self.truth.draw(batch) + noise, sigma)
        });
        self.step(&x.to_kind(Kind::Float), &sigma.to_kind(Kind::Float))
    }

    /// One iteration at the points `x` `[N, 2]` of noise level `sigma` `[N]`, both float32: the loss is
    /// σ²·‖∇log p(x;σ) − score‖², mean over coordinates and points.
    pub fn step(&mut self, x: &Tensor, sigma: &Tensor) -> ToyStep {
        let target = self.truth.evaluate(x, sigma).1.to_kind(Kind::Float);
        self.model.force_normalization();
        let pass = self.model.pass(x, sigma);
        let weight = sigma.square().unsqueeze(-1);
        let error = &pass.score - target;
        let loss = (error.square() * &weight).mean(Kind::Float);
        self.model.leave(&pass.gradients(&(error * weight * (2.0 / x.numel() as f64))));
        let schedule =
            LrSchedule { alpha_ref: self.recipe.lr_ref, t_ref: self.recipe.t_ref, rampup_images: 0.0 };
        let lr = schedule.at(self.iteration, 1);
        self.adam.update(&self.weights, lr);
        self.iteration += 1;
        self.ema.update(&self.weights, self.iteration, 1);
        ToyStep { loss: loss.double_value(&[]), lr, score: pass.score }
    }

    /// The weights as they are.
    pub fn weights(&self) -> &StateDict {
        &self.weights
    }

    /// Their moving average: the net.
    pub fn average(&self) -> &StateDict {
        &self.ema.average
    }
}
