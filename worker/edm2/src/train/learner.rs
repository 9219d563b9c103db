//! A net that learns: weights, optimiser and moving averages, and what one step does to them.

use tch::{Device, Kind, Tensor};

use super::adam::Adam;
use super::ema::Ema;
use super::loss::{Batch, NoiseLevels, StepDraws};
use crate::net::{NetConfig, NetError, Params, Precond, StateDict, normalized};

/// β₂ of Adam (EDM2, table 6).
const BETA2: f64 = 0.99;

/// A net in training, in float32.
#[derive(Debug)]
pub struct Learner {
    pub net: Precond,
    /// The tensors that training changes.
    pub trained: StateDict,
    /// These and the buffers: what a checkpoint holds.
    pub all: StateDict,
    pub adam: Adam,
    pub emas: Vec<Ema>,
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
        Ok(Self { net, trained, all, adam, emas })
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
    /// normalization. Gives the mean loss per element.
    pub fn accumulate(&self, levels: NoiseLevels, (batch, draws): (&Batch, &StepDraws), round: i64) -> f64 {
        let len = batch.num_images();
        let mut total = 0.0;
        for start in (0..len).step_by(round.max(1) as usize) {
            let count = round.min(len - start);
            self.force_normalization();
            let loss = levels.loss(&self.net, &batch.part(start, count), &draws.part(start, count));
            (loss.sum(Kind::Float) / len as f64).backward();
            total += loss.detach().sum(Kind::Double).double_value(&[]);
        }
        total / batch.images.numel() as f64
    }

    /// Moves the weights by the gradients that they hold, which it clears, and the averages towards the weights.
    pub fn update(&mut self, moment: Moment) {
        self.adam.update(&self.trained, moment.lr);
        for ema in &mut self.emas {
            ema.update(&self.trained, moment.seen, moment.batch);
        }
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
