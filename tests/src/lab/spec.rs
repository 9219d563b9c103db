//! Runs of the synthetic engine, whose distance is known beforehand.

use std::path::{Path, PathBuf};

use anyhow::Result;
use fidelis_formats::stats::{Statistics, npz};
use fidelis_shared::ids::RunId;
use fidelis_shared::spec::RunSpec;

const DIM: usize = 8;

/// The detector of every lab run.
pub const DETECTOR: &str = "probe";

/// A run of the synthetic engine.
#[derive(Debug, Clone)]
pub struct LabSpec {
    pub name: String,
    pub num_images: u64,
    pub chunk_size: u64,
    pub micro_batch: u32,
    pub millis_per_image: u64,
    pub first_seed: u64,
    pub feature_shift: f64,
    pub feature_scale: f64,
    pub latents: bool,
}

impl Default for LabSpec {
    /// 20 chunks of 16 images and two kinds of object; 64 ms a chunk.
    fn default() -> Self {
        Self {
            name: "lab".into(),
            num_images: 320,
            chunk_size: 16,
            micro_batch: 1,
            millis_per_image: 4,
            first_seed: 5,
            feature_shift: 0.25,
            feature_scale: 1.125,
            latents: true,
        }
    }
}

impl LabSpec {
    /// The distance of endless images to a standard normal reference: see the synthetic engine.
    pub fn known_distance(&self) -> f64 {
        let (mean, sd) = (-12.0 / 131_072.0, (1.0 - 2_f64.powi(-32)).sqrt());
        let (shift, scale) = (self.feature_shift, self.feature_scale);
        DIM as f64 * ((shift + scale * mean).powi(2) + (scale * sd - 1.0).powi(2))
    }

    pub fn num_chunks(&self) -> u64 {
        self.num_images.div_ceil(self.chunk_size)
    }

    /// Writes the spec into the lab's folder.
    pub fn write(&self, folder: &Path) -> Result<PathBuf> {
        let path = folder.join(format!("{}.toml", self.name));
        std::fs::write(&path, self.text(folder))?;
        Ok(path)
    }

    /// The run that the spec describes, wherever its files lie.
    pub fn run(&self, folder: &Path) -> Result<RunId> {
        Ok(self.resolved(folder)?.run_id())
    }

    pub(super) fn resolved(&self, folder: &Path) -> Result<RunSpec> {
        let mut spec = RunSpec::from_toml(&self.text(folder), "a test")?;
        spec.validate()?;
        spec.resolve()?;
        Ok(spec)
    }

    fn text(&self, folder: &Path) -> String {
        let Self { name, chunk_size, micro_batch, millis_per_image, first_seed, .. } = self;
        let Self { feature_shift, feature_scale, .. } = self;
        let (last, latents, folder) = (first_seed + self.num_images - 1, self.latents, folder.display());
        format!(
            r#"
name = "{name}"
engine = "synthetic"
seeds = "{first_seed}-{last}"
chunk_size = {chunk_size}
micro_batch = {micro_batch}
outputs = {{ latents = {latents} }}
[synthetic]
feature_dim = {DIM}
millis_per_image = {millis_per_image}
feature_shift = {feature_shift:?}
feature_scale = {feature_scale:?}
[[detectors]]
name = "{DETECTOR}"
weights = "{folder}/weights"
reference = "{folder}/reference.npz"
"#
        )
    }
}

/// Writes the files that lab specs name.
pub(super) fn write_files(folder: &Path) -> Result<()> {
    std::fs::write(folder.join("weights"), "none")?;
    let sigma = (0..DIM * DIM).map(|i| if i % (DIM + 1) == 0 { 1.0 } else { 0.0 }).collect();
    let reference = Statistics { mu: vec![0.0; DIM], sigma, num_images: 1_000_000 };
    std::fs::write(folder.join("reference.npz"), npz::encode(&reference)?)?;
    Ok(())
}
