//! Runs of the synthetic engine, whose distance is known beforehand.

use std::path::{Path, PathBuf};

use anyhow::Result;
use fidelis_contract::{
    ids::{Digest, RunId},
    spec::{ResolvedSpec, RunSpec},
};
use fidelis_fleet::folder;
use fidelis_formats::stats::{Statistics, npz};

use crate::process::repository;

const DIM: usize = 8;

/// The demo's net and detector, as the files are called.
pub const NET: &str = "fashion-net.safetensors";
pub const WEIGHTS: &str = "fashion-cnn.safetensors";

/// The detector of every synthetic lab run.
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
    /// Real images, of the demo's net and detector: how the address of the folder they lie in begins.
    pub models: Option<String>,
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
            models: None,
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
        std::fs::write(&path, self.text(folder)?)?;
        Ok(path)
    }

    /// The run that the spec describes, wherever its files lie.
    pub fn run(&self, folder: &Path) -> Result<RunId> {
        Ok(self.resolved(folder)?.run_id())
    }

    pub(super) fn resolved(&self, folder: &Path) -> Result<ResolvedSpec> {
        let mut spec = RunSpec::from_toml(&self.text(folder)?, "a test")?;
        spec.validate()?;
        // An address is pinned.
        for (_, file) in spec.files_mut().into_iter().filter(|(_, file)| !file.is_url()) {
            file.sha256 = Some(folder::digest(Path::new(&file.path))?);
        }
        Ok(ResolvedSpec::new(spec)?)
    }

    fn text(&self, folder: &Path) -> Result<String> {
        let Self { name, chunk_size, micro_batch, first_seed, latents, .. } = self;
        let last = first_seed + self.num_images - 1;
        let made = match &self.models {
            Some(models) => self.real(models)?,
            None => self.synthetic(folder),
        };
        Ok(format!(
            "name = \"{name}\"\nseeds = \"{first_seed}-{last}\"\nchunk_size = {chunk_size}\n\
             micro_batch = {micro_batch}\noutputs = {{ latents = {latents} }}\n{made}"
        ))
    }

    fn synthetic(&self, folder: &Path) -> String {
        let Self { millis_per_image, feature_shift, feature_scale, .. } = self;
        let folder = folder.display();
        format!(
            r#"
engine = "synthetic"
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

    /// Pinned, as addresses have to be for a run to be known without fetching anything.
    fn real(&self, models: &str) -> Result<String> {
        let demo = repository().join("infra/demo");
        let pinned = |name: &str| -> Result<String> {
            let sha256 = Digest::of_file(&demo.join("models").join(name))?;
            Ok(format!("{{ path = \"{models}/{name}\", sha256 = \"{sha256}\" }}"))
        };
        let (net, weights) = (pinned(NET)?, pinned(WEIGHTS)?);
        let reference = demo.join("refs/fashion-train.npz").display().to_string();
        Ok(format!(
            r#"
net = {net}
[sampler]
num_steps = 2
[[detectors]]
name = "fashion-cnn"
weights = {weights}
reference = "{reference}"
"#
        ))
    }
}

/// Writes the files that lab specs name.
pub(super) fn write_files(folder: &Path) -> Result<()> {
    std::fs::write(folder.join("weights"), "none")?;
    let sigma = (0..DIM * DIM).map(|i| if i % (DIM + 1) == 0 { 1.0 } else { 0.0 }).collect();
    let reference = Statistics { mu: vec![0.0; DIM], sigma, num_images: 1_000_000, detector: None };
    std::fs::write(folder.join("reference.npz"), npz::encode(&reference)?)?;
    Ok(())
}
