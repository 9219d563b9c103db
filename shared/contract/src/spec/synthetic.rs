//! What the engine `synthetic` works from.

use serde::{Deserialize, Serialize};

use super::{
    Labels, Sampling,
    validate::{Checked, field, require},
};

/// More would not fit a reducer's memory.
const MAX_FEATURE_DIM: u32 = 16_384;

/// Numbers made of the seed.
#[derive(Debug, Clone, PartialEq)]
pub struct SyntheticSpec {
    /// As written: runs of no settings and of their defaults are two.
    pub written: Option<SyntheticSettings>,
    /// Of these, `labels` alone is read.
    pub sampling: Sampling,
}

/// What the numbers are like.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SyntheticSettings {
    /// D of its features.
    pub feature_dim: u32,
    /// How long an image takes, at least.
    pub millis_per_image: u32,
    /// Number of classes; 0 is unconditional.
    pub label_dim: u32,
    // The identity of runs that were made before these two were there does not change.
    /// Mean of each feature.
    #[serde(skip_serializing_if = "is_zero")]
    pub feature_shift: f64,
    /// Standard deviation of each feature.
    #[serde(skip_serializing_if = "is_one")]
    pub feature_scale: f64,
}

impl Default for SyntheticSettings {
    fn default() -> Self {
        Self { feature_dim: 16, millis_per_image: 0, label_dim: 10, feature_shift: 0.0, feature_scale: 1.0 }
    }
}

impl SyntheticSpec {
    /// As they count.
    pub fn settings(&self) -> SyntheticSettings {
        self.written.unwrap_or_default()
    }

    pub(super) fn validate(&self) -> Checked {
        self.sampling.validate()?;
        let settings = self.settings();
        require((1..=MAX_FEATURE_DIM).contains(&settings.feature_dim), "synthetic.feature_dim", || {
            format!("`{}` is out of range: use `1` to `{MAX_FEATURE_DIM}`", settings.feature_dim)
        })?;
        for (name, value) in [
            ("synthetic.feature_shift", settings.feature_shift),
            ("synthetic.feature_scale", settings.feature_scale),
        ] {
            require(value.is_finite(), name, || format!("`{value}` is no finite number"))?;
        }
        match self.sampling.labels {
            Labels::Class(class) if class >= settings.label_dim => Err(field(
                "labels",
                format!("class `{class}` does not exist: there are `{}`, from 0", settings.label_dim),
            )),
            Labels::Balanced | Labels::File(_) => {
                Err(field("labels", "the engine `synthetic` knows `random` and `class:N`".into()))
            }
            _ => Ok(()),
        }
    }
}

fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

fn is_one(value: &f64) -> bool {
    *value == 1.0
}
