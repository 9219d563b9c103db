//! Everything that decides a training run's outcome, read from a TOML file.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::schedule::LrSchedule;
use crate::net::{ConfigError, NetConfig};

/// Why a recipe cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    #[error("cannot read the recipe `{path}`: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("the recipe `{path}` is wrong: {source}")]
    Parse { path: PathBuf, source: Box<toml::de::Error> },
    #[error("the recipe's `{field}` {problem}")]
    Field { field: &'static str, problem: &'static str },
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// A training run of one net.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Decides the initial weights, the order of the data and all noise.
    pub seed: u64,
    /// Images in a step.
    pub batch: u64,
    pub steps: u64,
    /// Mean and standard deviation of ln σ.
    pub p_mean: f64,
    pub p_std: f64,
    /// Relative widths of the moving averages to keep; the first is the one that is written as the net.
    pub ema: Vec<f64>,
    pub lr: LrSchedule,
    /// Weights of the encoder `stability-vae`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vae: Option<PathBuf>,
    pub net: NetConfig,
}

impl Recipe {
    /// Reads and checks a recipe.
    pub fn read(path: &Path) -> Result<Self, RecipeError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| RecipeError::Read { path: path.to_owned(), source })?;
        let recipe: Self = toml::from_str(&text)
            .map_err(|source| RecipeError::Parse { path: path.to_owned(), source: Box::new(source) })?;
        recipe.check()?;
        Ok(recipe)
    }

    fn check(&self) -> Result<(), RecipeError> {
        self.net.check()?;
        let wrong = |field, problem| Err(RecipeError::Field { field, problem });
        if self.net.encoder.is_none() {
            return wrong("net.encoder", "is missing: say how pixels become what the net acts on");
        }
        if self.batch == 0 || self.steps == 0 {
            return wrong("batch", "and `steps` must be at least 1");
        }
        if !(self.p_std > 0.0 && self.p_mean.is_finite() && self.p_std.is_finite()) {
            return wrong("p_std", "must be positive and `p_mean` a number");
        }
        if self.ema.is_empty() || self.ema.iter().any(|&s| !(0.001..=0.28).contains(&s)) {
            return wrong("ema", "must name at least one relative width from 0.001 to 0.28");
        }
        if !(self.lr.alpha_ref > 0.0 && self.lr.t_ref > 0.0 && self.lr.rampup_images >= 0.0) {
            return wrong("lr", "needs positive `alpha_ref` and `t_ref`");
        }
        Ok(())
    }
}

fidelis_contract::usage_errors!(RecipeError);
