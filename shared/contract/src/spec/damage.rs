//! Damage that is done to a net while it samples, to see what guidance mends (arXiv 2406.02507, its controlled experiment).

use serde::{Deserialize, Serialize};

use super::{
    sampler::is_single,
    validate::{Checked, require},
};

/// How a net is made worse; what is 0 is not done.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Damage {
    /// Share of the activations that each block drops, where training would.
    #[serde(skip_serializing_if = "is_zero")]
    pub dropout: f64,
    /// The net sees, and is told, noise of (1 + this)·sigma.
    #[serde(skip_serializing_if = "is_zero")]
    pub input_noise: f64,
}

impl Damage {
    /// Whether nothing is done.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// As specs write it: those without damage do not speak of it.
    pub fn stated(self) -> Option<Self> {
        Some(self).filter(|damage| !damage.is_none())
    }

    /// Checks the numbers of the spec's table `name`.
    pub(super) fn validate(&self, name: &str) -> Checked {
        require((0.0..1.0).contains(&self.dropout), &format!("{name}.dropout"), || {
            format!("`{}` is no share of activations: use one from `0` to below `1`", self.dropout)
        })?;
        let raised = self.input_noise;
        require(raised >= 0.0 && is_single(raised), &format!("{name}.input_noise"), || {
            format!("`{raised}` is out of range: use `0.1` for a noise level that is a tenth higher")
        })
    }
}

fn is_zero(value: &f64) -> bool {
    *value == 0.0
}
