//! The EDM2 pair on libtorch.

use std::collections::BTreeMap;
use std::path::PathBuf;

use fidelis_contract::{
    ids::Digest,
    kind::Kind,
    payload::Tensor,
    spec::{Edm2Spec, RunSpec},
};
use fidelis_edm2::device;
use fidelis_edm2::generate::{Buffer, GenerateError, Generated, Generator, Recipe, Watch};

use super::{ChunkOutput, EngineError, EngineOptions, Work};

/// Keeps the nets of the last spec loaded: the next chunk most likely wants them again, if sampled otherwise.
#[derive(Debug)]
pub struct Edm2Engine {
    options: EngineOptions,
    loaded: Option<(Recipe, Generator)>,
}

impl Edm2Engine {
    pub fn new(options: &EngineOptions) -> Self {
        Self { options: options.clone(), loaded: None }
    }

    fn load(&mut self, recipe: Recipe) -> Result<&mut Generator, EngineError> {
        // The borrow checker does not see through an early return of the loaded one.
        if let Some((held, generator)) = &mut self.loaded
            && *held != recipe
            && held.has_files_of(&recipe)
        {
            generator.resample(&recipe).map_err(classed)?;
            held.clone_from(&recipe);
        }
        if self.loaded.as_ref().is_none_or(|(held, _)| *held != recipe) {
            // Lets go of the old nets first: two pairs may not fit the device.
            self.loaded = None;
            let device =
                device::parse(&self.options.device).map_err(|e| EngineError::Unfit(e.to_string()))?;
            let lanes = self.options.lanes.unwrap_or_else(default_lanes);
            let generator = Generator::load(&recipe, device, lanes).map_err(classed)?;
            self.loaded = Some((recipe, generator));
        }
        let (_, generator) = self.loaded.as_mut().expect("it was loaded above");
        Ok(generator)
    }

    /// The images of `work.seeds`, and what `spec` keeps of them.
    pub fn generate(
        &mut self,
        model: &Edm2Spec,
        spec: &RunSpec,
        work: &Work<'_>,
    ) -> Result<ChunkOutput, EngineError> {
        let weights = spec.detectors.iter().map(|d| (d.name.clone(), PathBuf::from(&d.weights.path)));
        let generator = self.load(Recipe {
            model: model.clone(),
            micro_batch: spec.micro_batch as usize,
            outputs: spec.outputs,
            detectors: weights.collect(),
        })?;
        generator.set_micro_batch(work.micro_batch as usize);
        let watch = Watch { stop: &|| work.cancel.beat(), made: &|images| work.cancel.made(images) };
        let generated = generator.generate_watched(work.seeds, &watch).map_err(classed)?;
        Ok(chunk_output(generated))
    }
}

pub fn default_lanes() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

pub fn classed(error: GenerateError) -> EngineError {
    match error {
        GenerateError::Stopped => EngineError::Cancelled,
        GenerateError::OutOfMemory(_) => EngineError::OutOfMemory(error.to_string()),
        GenerateError::Device(_) => EngineError::Device(error.to_string()),
        _ if error.is_unfit() => EngineError::Unfit(error.to_string()),
        _ => EngineError::Fault(error.to_string()),
    }
}

fn chunk_output(generated: Generated) -> ChunkOutput {
    let mut tensors = BTreeMap::new();
    if let Some(Buffer { shape, data }) = generated.latents {
        tensors.insert(Kind::Latents, Tensor::from_f32("latents", &shape, &data));
    }
    if let Some(Buffer { shape, data }) = generated.images {
        tensors.insert(Kind::Images, Tensor::from_u8("images", &shape, data));
    }
    for (detector, Buffer { shape, data }) in generated.features {
        tensors.insert(Kind::Features(detector), Tensor::from_f32("features", &shape, &data));
    }
    let noise = Tensor::from_f32("noise", &generated.noise.shape, &generated.noise.data);
    ChunkOutput {
        unreadable: Vec::new(),
        labels: generated.labels,
        tensors,
        noise_sha256: Digest::of(&noise.data),
    }
}
