//! Moving averages of the weights.

use tch::Tensor;

use super::profile::{beta, sigma_rel_to_gamma};
use crate::net::StateDict;

/// The moving average of one power-function profile (EDM2, section 3.1).
#[derive(Debug)]
pub struct Ema {
    gamma: f64,
    /// Relative width σ_rel of the profile.
    pub sigma_rel: f64,
    pub average: StateDict,
}

impl Ema {
    /// Starts from `state`, parameters and buffers.
    pub fn new(sigma_rel: f64, state: &StateDict) -> Self {
        let average = state.iter().map(|(name, tensor)| (name.clone(), tensor.detach().copy())).collect();
        Self { gamma: sigma_rel_to_gamma(sigma_rel), sigma_rel, average }
    }

    /// Moves towards `trained` after a step of `batch` images that brought their number to `seen`.
    pub fn update(&mut self, trained: &StateDict, seen: u64, batch: u64) {
        let _guard = tch::no_grad_guard();
        let share = 1.0 - beta(self.gamma, seen, batch);
        for (name, tensor) in trained {
            if let Some(average) = self.average.get_mut(name) {
                let _: Tensor = average.lerp_(tensor, share);
            }
        }
    }
}
