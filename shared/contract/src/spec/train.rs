//! What the engine `train` works from.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    Outputs, Sampling,
    validate::{Checked, require},
};
use crate::address::{Address, without_slash};

/// The training of a net: one long chunk, whose only seed stands for it.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainSpec {
    pub settings: TrainSettings,
    /// Read by nobody.
    pub sampling: Sampling,
}

/// The table `train` of a spec. The recipe's options are the trainer's business: here they are data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainSettings {
    /// Images to train on: a path or an address, which is part of the run's identity as it is written, since nobody reads
    /// all of them to know their digest.
    pub data: String,
    /// A published training.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// A whole recipe, or what is another than in `preset`.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub recipe: Map<String, Value>,
    /// Images between snapshots of each average.
    #[serde(default = "snapshot_images")]
    pub snapshot_images: u64,
    /// Images between states to go on from: what a worker's death costs at most.
    #[serde(default = "state_images")]
    pub state_images: u64,
    /// Steps between lines of numbers.
    #[serde(default = "stats_steps")]
    pub stats_steps: u64,
    /// Images that go through the net together; all of a step's without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_device: Option<u64>,
    /// Threads that compute on a CPU: the bits depend on their number.
    #[serde(default = "one")]
    pub threads: u32,
    /// Threads that read images ahead of the device.
    #[serde(default = "readers")]
    pub readers: u32,
}

fn snapshot_images() -> u64 {
    8 << 20
}

fn state_images() -> u64 {
    8 << 20
}

fn stats_steps() -> u64 {
    50
}

fn one() -> u32 {
    1
}

fn readers() -> u32 {
    2
}

impl TrainSpec {
    pub(super) fn validate(&self, outputs: Outputs) -> Checked {
        self.sampling.validate()?;
        require(outputs == Outputs::default(), "outputs", || {
            "the engine `train` leaves snapshots only: remove it".into()
        })?;
        let TrainSettings { data, preset, recipe, threads, readers, .. } = &self.settings;
        require(!data.is_empty(), "train.data", || "the path is empty: name images to train on".into())?;
        let address = Address::parse(without_slash(data)).and_then(|address| address.check_storable());
        address.or_else(|reason| require(false, "train.data", || format!("`{data}`: {reason}")))?;
        require(preset.is_some() || !recipe.is_empty(), "train.recipe", || {
            "missing: write the recipe's options here, or name a `preset`".into()
        })?;
        for (name, value) in [
            ("train.snapshot_images", self.settings.snapshot_images),
            ("train.state_images", self.settings.state_images),
            ("train.stats_steps", self.settings.stats_steps),
            ("train.batch_device", self.settings.batch_device.unwrap_or(1)),
        ] {
            require(value >= 1, name, || "`0` is too small: use at least `1`".into())?;
        }
        for (name, value) in [("train.threads", threads), ("train.readers", readers)] {
            require((1..=1024).contains(value), name, || {
                format!("`{value}` is out of range: use `1` to `1024`")
            })?;
        }
        Ok(())
    }

    /// Makes a relative path absolute, from `folder`.
    pub(super) fn anchor(&mut self, folder: &Path) {
        let data = &mut self.settings.data;
        if !data.is_empty()
            && !data.contains("://")
            && let Ok(Address::Path(path)) = Address::parse(data)
        {
            *data = folder.join(path).display().to_string();
        }
    }
}
