//! Adam without weight decay, its state open for saving.

use tch::Tensor;

use crate::net::StateDict;

const BETA1: f64 = 0.9;
const EPS: f64 = 1e-8;

/// First and second moments of every trained tensor.
#[derive(Debug)]
pub struct Adam {
    beta2: f64,
    pub step: i32,
    pub first: StateDict,
    pub second: StateDict,
}

impl Adam {
    pub fn new(trained: &StateDict, beta2: f64) -> Self {
        let zeros = || trained.iter().map(|(name, t)| (name.clone(), t.zeros_like())).collect();
        Self { beta2, step: 0, first: zeros(), second: zeros() }
    }

    /// One update with learning rate `lr` from the gradients that the tensors hold; NaN and infinite gradients
    /// count as zero. Clears the gradients.
    pub fn update(&mut self, trained: &StateDict, lr: f64) {
        let _guard = tch::no_grad_guard();
        self.step += 1;
        let correct1 = 1.0 - BETA1.powi(self.step);
        let correct2 = (1.0 - self.beta2.powi(self.step)).sqrt();
        for (name, tensor) in trained {
            let mut grad = tensor.grad();
            if !grad.defined() {
                continue;
            }
            let clean = grad.nan_to_num(0.0, 0.0, 0.0);
            let (Some(first), Some(second)) = (self.first.get_mut(name), self.second.get_mut(name)) else {
                continue;
            };
            let _ = first.lerp_(&clean, 1.0 - BETA1);
            let _ = second.lerp_(&clean.square(), 1.0 - self.beta2);
            let denominator = second.sqrt() / correct2 + EPS;
            let mut tensor = tensor.shallow_clone();
            let _ = tensor.g_sub_(&(&*first / denominator * (lr / correct1)));
            let _ = grad.zero_();
        }
    }
}

/// The tensors of `state` under `prefix`, for a file that holds several state dicts.
pub fn prefixed<'a>(prefix: &'a str, state: &'a StateDict) -> impl Iterator<Item = (String, Tensor)> + 'a {
    state.iter().map(move |(name, tensor)| (format!("{prefix}/{name}"), tensor.shallow_clone()))
}
