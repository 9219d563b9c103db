//! Training that stops and goes on: everything that decides the next step, in one file.

use std::path::Path;

use tch::{Device, Tensor};

use super::adam::prefixed;
use super::images::Images;
use super::recipe::Recipe;
use super::scaling::LossScale;
use super::trainer::{TrainError, Trainer};
use crate::checkpoint::TensorFile;
use crate::net::StateDict;

/// Metadata key of the recipe.
const RECIPE_KEY: &str = "recipe";
const STEP: &str = "step";
const SCALE: &str = "loss_scale";

impl Trainer {
    /// Everything that a later [`Self::resume`] needs to go on bit for bit.
    pub fn state(&self) -> TensorFile {
        let mut tensors: StateDict = prefixed("net", &self.learner.all).collect();
        tensors.extend(prefixed("adam1", &self.learner.adam.first));
        tensors.extend(prefixed("adam2", &self.learner.adam.second));
        for (i, ema) in self.learner.emas.iter().enumerate() {
            tensors.extend(prefixed(&format!("ema{i}"), &ema.average));
        }
        if let Some(LossScale { factor, steps }) = self.learner.scale {
            tensors.insert(SCALE.to_owned(), Tensor::from_slice(&[factor, steps as f64]));
        }
        tensors.insert(STEP.to_owned(), Tensor::from(self.step as i64));
        TensorFile { metadata: [(RECIPE_KEY.to_owned(), self.identity())].into(), tensors }
    }

    /// Goes on from the bytes of a [`Self::state`] of the same recipe (its `steps` may differ), in a file that is named `path`.
    pub fn resume(
        recipe: Recipe,
        images: Box<dyn Images>,
        device: Device,
        (path, state): (&Path, &[u8]),
    ) -> Result<Self, TrainError> {
        let mut file = TensorFile::of(state, path)?;
        let mut trainer = Self::new(recipe, images, device)?;
        if file.metadata.get(RECIPE_KEY) != Some(&trainer.identity()) {
            return Err(TrainError::OtherRecipe);
        }
        let _guard = tch::no_grad_guard();
        trainer.step = file.take(path, STEP)?.int64_value(&[]) as u64;
        trainer.learner.adam.step = trainer.step as i32;
        if let Some(scale) = &mut trainer.learner.scale {
            let stored = file.take(path, SCALE)?;
            *scale = LossScale { factor: stored.double_value(&[0]), steps: stored.double_value(&[1]) as u64 };
        }
        let mut restore = |prefix: &str, state: &StateDict| -> Result<(), TrainError> {
            for (name, tensor) in state {
                tensor.shallow_clone().copy_(&file.take(path, &format!("{prefix}/{name}"))?);
            }
            Ok(())
        };
        restore("net", &trainer.learner.all)?;
        restore("adam1", &trainer.learner.adam.first)?;
        restore("adam2", &trainer.learner.adam.second)?;
        for (i, ema) in trainer.learner.emas.iter().enumerate() {
            restore(&format!("ema{i}"), &ema.average)?;
        }
        Ok(trainer)
    }

    /// The recipe without its length, which may be extended.
    fn identity(&self) -> String {
        let recipe = Recipe { steps: 0, ..self.recipe.clone() };
        serde_json::to_string(&recipe).expect("a recipe is plain data")
    }
}
