//! How latents of an autoencoder become what a net acts on.

use serde::{Deserialize, Serialize};

/// Latents of the autoencoder to what the net acts on, channel by channel: `x·scale + bias`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Whitening {
    pub scale: Vec<f64>,
    pub bias: Vec<f64>,
}

impl Whitening {
    /// From the mean and standard deviation of the latents before (`raw`) and after (`target`), per channel.
    pub fn from_moments(raw_mean: &[f64], raw_std: &[f64], target: (f64, f64)) -> Self {
        let scale: Vec<f64> = raw_std.iter().map(|std| target.1 / std).collect();
        let bias = raw_mean.iter().zip(&scale).map(|(mean, scale)| target.0 - mean * scale).collect();
        Self { scale, bias }
    }

    /// Whether there is a usable factor and term for each of some channels.
    pub fn is_sound(&self) -> bool {
        let usable = |x: &f64| x.is_finite();
        self.scale.len() == self.bias.len()
            && self.scale.iter().all(|x| usable(x) && *x != 0.0)
            && self.bias.iter().all(usable)
    }
}
