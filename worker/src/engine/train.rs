//! The training of a net: a chunk that goes on from what was left of it.

use std::sync::Arc;

use fidelis_contract::{
    ids::Digest,
    outcome::{Class, Outcome},
    spec::{TrainSettings, TrainSpec},
};
use fidelis_edm2::device;
use fidelis_edm2::train::{Outdir, Recipe, Session, TrainError, preset};

use super::{ChunkOutput, EngineError, EngineOptions, Work};
use crate::far::Data;
use crate::page::{Paged, Studio};

/// What a training needs beside its spec.
#[derive(Debug, Clone)]
pub struct Materials {
    pub data: Data,
    /// Where snapshots, states and the rest go, and are gone on from.
    pub files: Arc<dyn Outdir>,
}

/// Trains to the end, or until told to stop: then the state is saved. Leaves nothing but files.
pub fn train(
    spec: &TrainSpec,
    options: &EngineOptions,
    (materials, work): (&Materials, &Work<'_>),
) -> Result<ChunkOutput, EngineError> {
    let settings = &spec.settings;
    let recipe = recipe(settings)?;
    let threads = settings.threads as i32;
    let device = device::parse(&options.device).map_err(|error| EngineError::Unfit(error.to_string()))?;
    device::set_threads(threads);
    let done = || -> Result<bool, TrainError> {
        let title = settings.preset.clone().unwrap_or_else(|| "training".to_owned());
        let studio = Studio::new(&recipe.net, recipe.vae.clone(), (&options.device, threads));
        let outdir = Paged::new(&*materials.files, title, recipe.ema[0], studio);
        let session = Session {
            outdir: &outdir,
            snapshot_images: settings.snapshot_images,
            state_images: settings.state_images,
            stats_steps: settings.stats_steps,
            round: settings.batch_device.unwrap_or(recipe.batch),
        };
        session.check_names(&recipe)?;
        let feed = materials.data.feed(recipe.seed, settings.readers as usize)?;
        if !session.is_begun()? {
            feed.check(&|_| !work.cancel.beat())?;
        }
        if work.cancel.beat() {
            return Ok(false);
        }
        let mut trainer = session.open(recipe.clone(), Box::new(feed), device)?;
        tracing::info!(step = trainer.step(), steps = recipe.steps, "training");
        session.run(&mut trainer, &mut |_| !work.cancel.beat())?;
        if trainer.is_done()
            && let Some(name) = session.lacks(&recipe)?
        {
            return Err(TrainError::Lost(outdir.place(&name).display().to_string()));
        }
        Ok(trainer.is_done())
    };
    let done = done();
    // As the lanes of other engines have it.
    device::set_threads(1);
    if !done.map_err(classed)? {
        return Err(EngineError::Cancelled);
    }
    Ok(ChunkOutput {
        unreadable: Vec::new(),
        labels: Vec::new(),
        tensors: [].into(),
        noise_sha256: Digest::of(recipe.to_toml().unwrap_or_default().as_bytes()),
    })
}

/// The whole recipe: that of the preset, with the options that are said; or these alone.
fn recipe(settings: &TrainSettings) -> Result<Recipe, EngineError> {
    let unfit =
        |error: &dyn std::error::Error| EngineError::Unfit(format!("spec field `train.recipe`: {error}"));
    let Some(name) = &settings.preset else {
        let options = serde_json::Value::Object(settings.recipe.clone());
        let recipe: Recipe = serde_json::from_value(options).map_err(|error| unfit(&error))?;
        recipe.check().map_err(|error| unfit(&error))?;
        return Ok(recipe);
    };
    let mut recipe =
        preset(name).map_err(|error| EngineError::Unfit(format!("spec field `train.preset`: {error}")))?;
    for (key, value) in leaves("", &settings.recipe) {
        recipe = recipe.with(&key, &value).map_err(|error| unfit(&error))?;
    }
    Ok(recipe)
}

/// Options by their dotted names.
fn leaves(prefix: &str, table: &serde_json::Map<String, serde_json::Value>) -> Vec<(String, String)> {
    let leaf = |(key, value): (&String, &serde_json::Value)| match value {
        serde_json::Value::Object(table) => leaves(&format!("{prefix}{key}."), table),
        value => vec![(format!("{prefix}{key}"), value.to_string())],
    };
    table.iter().flat_map(leaf).collect()
}

fn classed(error: TrainError) -> EngineError {
    match error.class() {
        Class::Usage => EngineError::Unfit(error.to_string()),
        Class::Integrity => EngineError::Fault(error.to_string()),
        Class::Incomplete | Class::Environment | Class::Passing => {
            EngineError::Environment(error.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(recipe: serde_json::Value, preset: Option<&str>) -> TrainSettings {
        let json = serde_json::json!({ "data": "x.zip", "recipe": recipe, "preset": preset });
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn a_recipe_is_a_preset_with_other_options_or_whole() {
        let options = serde_json::json!({ "steps": 3, "net": { "dropout": 0.25 }, "ema": [0.1] });
        let found = recipe(&settings(options.clone(), Some("edm2-img64-xs"))).unwrap();
        assert_eq!((found.steps, found.net.dropout, found.ema, found.batch), (3, 0.25, vec![0.1], 2048));
        let refused = |settings: TrainSettings| recipe(&settings).unwrap_err().to_string();
        assert!(refused(settings(options, None)).contains("`train.recipe`"));
        assert!(refused(settings(serde_json::json!({}), Some("edm2-img65-xs"))).contains("edm2-img64-xs"));
        assert!(
            refused(settings(serde_json::json!({ "setps": 3 }), Some("edm2-img64-xs"))).contains("setps")
        );
    }
}
