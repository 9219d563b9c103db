//! Everything that decides a training run's outcome, read from a TOML file.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::schedule::LrSchedule;
use crate::net::{ConfigError, NetConfig, Precision};

/// Why a recipe cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    #[error("cannot read the recipe `{path}`: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("the recipe `{path}` is wrong: {source}")]
    Parse { path: PathBuf, source: Box<toml::de::Error> },
    #[error("`{key}` cannot be `{value}`: {problem}")]
    Override { key: String, value: String, problem: String },
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
    /// Mirror about half of the images.
    #[serde(default, skip_serializing_if = "is_default")]
    pub xflip: bool,
    /// Arithmetic of the net's forward and backward pass; everything else is in float32.
    #[serde(default, skip_serializing_if = "is_default")]
    pub precision: Precision,
    /// Weights of the encoder `stability-vae`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vae: Option<PathBuf>,
    pub net: NetConfig,
}

/// Without the options that are not there.
fn json(recipe: &Recipe) -> Value {
    let mut options = serde_json::to_value(recipe).expect("a recipe is plain data");
    if let Some(net) = options["net"].as_object_mut() {
        net.retain(|_, value| !value.is_null());
    }
    options
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
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

    /// As TOML, to be read again.
    ///
    /// # Errors
    /// A value that TOML cannot express.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        // Through JSON, which leaves out what is not there.
        toml::to_string(&json(self))
    }

    /// With another value for one option, as `net.dropout` and `0.1`: JSON, or else a text.
    ///
    /// # Errors
    /// A key that is no option, a value that the option cannot have.
    pub fn with(&self, key: &str, value: &str) -> Result<Self, RecipeError> {
        let wrong =
            |problem: String| RecipeError::Override { key: key.to_owned(), value: value.to_owned(), problem };
        let mut options = json(self);
        let mut place = &mut options;
        for part in key.split('.') {
            let table = place.as_object_mut().ok_or_else(|| wrong("there is no such option".to_owned()))?;
            place = table.entry(part).or_insert(Value::Null);
        }
        *place = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
        let recipe: Self = serde_json::from_value(options).map_err(|error| wrong(error.to_string()))?;
        recipe.check()?;
        Ok(recipe)
    }

    /// With so many images in a step, and as many steps as bring the images seen to those of before.
    pub fn with_batch(mut self, batch: u64) -> Self {
        let images = self.steps * self.batch;
        (self.batch, self.steps) = (batch, images.div_ceil(batch.max(1)));
        self
    }

    /// Whether a run can be made of it.
    ///
    /// # Errors
    /// The field that does not fit.
    pub fn check(&self) -> Result<(), RecipeError> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::preset;

    #[test]
    fn any_option_can_be_another() {
        let recipe = preset("edm2-img64-xs").unwrap();
        let other = recipe.with("net.dropout", "0.25").unwrap().with("lr.alpha_ref", "0.5").unwrap();
        let other = other.with("ema", "[0.1]").unwrap().with("vae", "a.safetensors").unwrap();
        assert_eq!((other.net.dropout, other.lr.alpha_ref, other.ema.as_slice()), (0.25, 0.5, &[0.1][..]));
        assert_eq!(other.vae.as_deref(), Some(Path::new("a.safetensors")));
        assert_eq!(other.with("net.clip_act", "12").unwrap().net.clip_act, Some(12.0));
        for (key, value, words) in [
            ("net.dropuot", "0.1", "dropuot"),
            ("seed.x", "1", "no such option"),
            ("batch", "many", "many"),
            ("net.dropout", "2", "dropout"),
        ] {
            let error = recipe.with(key, value).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn what_is_printed_is_read_again() {
        let recipe = preset("edm2-img512-m-uncond").unwrap().with("xflip", "true").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("recipe.toml");
        std::fs::write(&path, recipe.to_toml().unwrap()).unwrap();
        assert_eq!(Recipe::read(&path).unwrap(), recipe);
        let smaller = recipe.clone().with_batch(512);
        assert_eq!((smaller.batch, smaller.steps), (512, recipe.steps * 4));
    }
}
