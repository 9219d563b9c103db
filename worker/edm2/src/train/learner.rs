//! A net that learns: weights, optimiser and moving averages, and what one step does to them.

use tch::{Device, Kind, Tensor};

use super::adam::Adam;
use super::ema::Ema;
use super::loss::{Batch, NoiseLevels, StepDraws};
use super::scaling::LossScale;
use crate::net::{NetConfig, NetError, Params, Precision, Precond, StateDict, normalized};

/// β₂ of Adam (EDM2, table 6).
const BETA2: f64 = 0.99;

/// A net in training: weights, optimiser and averages in float32, forward and backward pass in the net's type.
#[derive(Debug)]
pub struct Learner {
    pub net: Precond,
    /// The tensors that training changes.
    pub trained: StateDict,
    /// These and the buffers: what a checkpoint holds.
    pub all: StateDict,
    pub adam: Adam,
    pub emas: Vec<Ema>,
    /// In float16.
    pub scale: Option<LossScale>,
}

/// What a batch cost.
#[derive(Clone, Debug, PartialEq)]
pub struct Losses {
    /// Mean per element.
    pub mean: f64,
    /// The same of each image.
    pub by_image: Vec<f32>,
}

/// What a step found in its gradients.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gradients {
    /// Root of the sum of their squares, of those that are finite.
    pub norm: f64,
    pub are_finite: bool,
}

/// When a step is taken.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Learning rate.
    pub lr: f64,
    /// Images seen, those of the step included.
    pub seen: u64,
    /// Images of the step.
    pub batch: u64,
}

impl Learner {
    /// Fresh weights, drawn from torch's current CPU generator; averages of the relative widths `ema`.
    ///
    /// # Errors
    /// A config that describes no net.
    pub fn fresh(config: &NetConfig, device: Device, ema: &[f64]) -> Result<Self, NetError> {
        let mut params = Params::fresh(device);
        let net = Precond::new(&mut params, config, device)?;
        let (trained, all) = (copied(params.trained()), copied(params.all()));
        let adam = Adam::new(&trained, BETA2);
        let emas = ema.iter().map(|&sigma_rel| Ema::new(sigma_rel, &all)).collect();
        Ok(Self { net, trained, all, adam, emas, scale: None })
    }

    /// With forward and backward pass in `precision`, float16 with a scaled loss.
    pub fn in_precision(self, precision: Precision) -> Self {
        let scale = (precision == Precision::Fp16).then(LossScale::default);
        Self { net: self.net.in_precision(precision), scale, ..self }
    }

    /// Starts from the weights of `state`, whatever their type.
    ///
    /// # Errors
    /// A config that describes no net; a tensor that is missing, unknown, misshapen or not finite.
    pub fn starting_from(
        state: &StateDict,
        config: &NetConfig,
        device: Device,
        ema: &[f64],
    ) -> Result<Self, NetError> {
        Precond::new(&mut Params::stored(state, device), config, device)?;
        let mut learner = Self::fresh(config, device, &[])?;
        let _guard = tch::no_grad_guard();
        for (name, tensor) in &learner.all {
            tensor.shallow_clone().copy_(&state[name]);
        }
        learner.emas = ema.iter().map(|&sigma_rel| Ema::new(sigma_rel, &learner.all)).collect();
        Ok(learner)
    }

    /// Adds a batch's gradients to those that the weights hold, `round` images at a time, each round after forced weight
    /// normalization.
    pub fn accumulate(
        &self,
        levels: NoiseLevels,
        (batch, draws): (&Batch, &StepDraws),
        round: i64,
    ) -> Losses {
        let len = batch.num_images();
        let factor = self.scale.map_or(1.0, |scale| scale.factor);
        let (mut total, mut by_image) = (0.0, Vec::new());
        for start in (0..len).step_by(round.max(1) as usize) {
            let count = round.min(len - start);
            self.force_normalization();
            let loss = levels.loss(&self.net, &batch.part(start, count), &draws.part(start, count));
            (loss.sum(Kind::Float) * (factor / len as f64)).backward();
            let loss = loss.detach();
            total += loss.sum(Kind::Double).double_value(&[]);
            let means = loss.mean_dim([1, 2, 3].as_slice(), false, Kind::Float).to_device(Device::Cpu);
            by_image.extend(Vec::<f32>::try_from(means).expect("losses are float32"));
        }
        Losses { mean: total / batch.images.numel() as f64, by_image }
    }

    /// Moves the weights by the gradients that they hold, which it clears, and the averages towards the weights.
    pub fn update(&mut self, moment: Moment) -> Gradients {
        let gradients = self.unscaled();
        self.scale = self.scale.map(|scale| scale.after(gradients.are_finite));
        self.adam.update(&self.trained, moment.lr);
        for ema in &mut self.emas {
            ema.update(&self.trained, moment.seen, moment.batch);
        }
        gradients
    }

    /// Undoes the scale of the loss in the gradients, and measures them.
    fn unscaled(&self) -> Gradients {
        let _guard = tch::no_grad_guard();
        let held = || self.trained.values().map(Tensor::grad).filter(Tensor::defined);
        if let Some(scale) = self.scale {
            held().for_each(|mut grad| drop(grad.g_mul_scalar_(1.0 / scale.factor)));
        }
        let norm = |of: &dyn Fn(Tensor) -> Tensor| {
            let norms: Vec<Tensor> = held().map(|grad| of(grad).norm()).collect();
            Tensor::stack(&norms, 0).norm().double_value(&[])
        };
        let all = norm(&|grad| grad);
        // The optimiser takes what is not finite for zero.
        let finite = || norm(&|grad| grad.nan_to_num(0.0, 0.0, 0.0));
        Gradients { norm: if all.is_finite() { all } else { finite() }, are_finite: all.is_finite() }
    }

    /// Overwrites each weight by its normalised self: training must not let weights grow (EDM2, section 2.3).
    fn force_normalization(&self) {
        let _guard = tch::no_grad_guard();
        for weight in self.trained.values().filter(|t| t.dim() >= 2) {
            weight.shallow_clone().copy_(&normalized(weight));
        }
    }

    /// The gradients that the weights hold.
    pub fn gradients(&self) -> StateDict {
        let held = |(name, tensor): (&String, &Tensor)| {
            let grad = tensor.grad();
            grad.defined().then(|| (name.clone(), grad.copy()))
        };
        self.trained.iter().filter_map(held).collect()
    }
}

fn copied(state: &StateDict) -> StateDict {
    state.iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone())).collect()
}
