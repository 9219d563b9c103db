//! Grids of pictures of a net in training.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use anyhow::{Context, anyhow};
use fidelis_contract::spec::{Edm2Spec, FileRef, Labels, Outputs, SamplerSpec, Sampling};
use fidelis_edm2::device;
use fidelis_edm2::generate::{GenerateError, Generator, Recipe};
use fidelis_edm2::net::NetConfig;
use fidelis_formats::net::Encoder;

use crate::cli::grid::{self, ImageShape};
use crate::engine::edm2;

/// Pictures of a grid: their seeds are 0 and on.
const NUM_PICTURES: u64 = 16;
/// Steps of Heun's method: fewer than for anything that is measured.
const STEPS: u32 = 18;

/// Makes a grid of pictures of a snapshot.
#[derive(Debug)]
pub struct Studio {
    device: String,
    vae: Option<PathBuf>,
    is_conditional: bool,
    /// Training's own, which its bits depend on.
    threads: i32,
}

impl Studio {
    /// For nets of a config, on a device; `None` where nothing that is at hand makes pixels of what the net makes.
    pub fn new(config: &NetConfig, vae: Option<PathBuf>, (device, threads): (&str, i32)) -> Option<Self> {
        let needs_vae = config.encoder_or_pixels()? == Encoder::StabilityVae;
        let is_conditional = config.label_dim > 0;
        let studio = Self { device: device.to_owned(), vae, is_conditional, threads };
        (!needs_vae || studio.vae.is_some()).then_some(studio)
    }

    /// The PNG of the net in a snapshot's bytes.
    pub fn png(&mut self, snapshot: &[u8]) -> anyhow::Result<Vec<u8>> {
        let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
        let net = folder.path().join("net.safetensors");
        std::fs::write(&net, snapshot).context("cannot keep the snapshot")?;
        let text = |path: &PathBuf| FileRef::new(path.display().to_string());
        let sampling = Sampling {
            labels: if self.is_conditional { Labels::Balanced } else { Labels::Random },
            sampler: SamplerSpec { num_steps: STEPS, ..SamplerSpec::DEFAULT },
            ..Sampling::default()
        };
        let recipe = Recipe {
            model: Edm2Spec {
                net: text(&net),
                gnet: None,
                vae: self.vae.as_ref().map(text),
                vae_precision: None,
                sampling,
            },
            micro_batch: NUM_PICTURES as usize / 2,
            outputs: Outputs { images: true, ..Outputs::default() },
            detectors: [].into(),
        };
        // Where the device has no room for pictures too, torch panics; the training is to go on.
        let made = catch_unwind(AssertUnwindSafe(|| self.made(&recipe)));
        device::set_threads(self.threads);
        made.unwrap_or_else(|panic| Err(GenerateError::from_panic(&*panic).into()))
    }

    fn made(&self, recipe: &Recipe) -> anyhow::Result<Vec<u8>> {
        let mut generator = Generator::load(recipe, device::parse(&self.device)?, edm2::default_lanes())?;
        let seeds: Vec<u64> = (0..NUM_PICTURES).collect();
        let images = generator.generate(&seeds, &|| false)?.images.context("no pictures came")?;
        let [_, channels, height, width] =
            <[usize; 4]>::try_from(images.shape).map_err(|shape| anyhow!("pictures of shape {shape:?}"))?;
        grid::png(&images.data, ImageShape { channels, height, width })
    }
}
