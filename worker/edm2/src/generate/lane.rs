//! One micro-batch at a time through nets, encoder and detectors.

use std::collections::BTreeMap;
use std::path::Path;

use fidelis_contract::spec::{Edm2Spec, FileRef, Outputs, Sampling};
use tch::kind::Element;
use tch::{Device, Kind, Tensor};

use super::{Buffer, GenerateError, Recipe};
use crate::checkpoint::Checkpoint;
use crate::damage::Evaluation;
use crate::detector::Detector;
use crate::device;
use crate::encoder::{Codec, Encoder};
use crate::guidance::GuidedNet;
use crate::net::{NetConfig, Precision, Precond, num_params};
use crate::noise::{Classes, Draws, DrawsError, Noise};
use crate::sampler::{Sampler, Stopped};

/// What came of one micro-batch.
#[derive(Debug)]
pub struct Part {
    pub noise: Buffer<f32>,
    pub labels: Vec<i64>,
    pub latents: Option<Buffer<f32>>,
    pub images: Option<Buffer<u8>>,
    pub features: BTreeMap<String, Buffer<f32>>,
}

/// Nets, encoder and detectors. Clones share the weights.
#[derive(Clone, Debug)]
pub struct Lane {
    nets: GuidedNet,
    sampler: Sampler,
    draws: Draws,
    /// None when nobody asks for pixels.
    codec: Option<Codec>,
    detectors: BTreeMap<String, Detector>,
    outputs: Outputs,
}

impl Lane {
    pub fn load(recipe: &Recipe, device: Device) -> Result<Self, GenerateError> {
        let sampling = &recipe.model.sampling;
        let load = |file: &FileRef| load_net(Path::new(&file.path), device, sampling.precision);
        let (net, gnet) = (load(&recipe.model.net)?, recipe.model.gnet.as_ref().map(load).transpose()?);
        let nets =
            GuidedNet::new(net, gnet, sampling.guidance, sampling.guidance_interval)?.sampled(sampling);
        let config = nets.net().config();
        let codec = if recipe.outputs.images || !recipe.detectors.is_empty() {
            Some(load_codec(&recipe.model, config, device)?)
        } else {
            None
        };
        let (sampler, draws) = sampling_of(sampling, config)?;
        let load = |(name, path): (&String, &std::path::PathBuf)| {
            Ok((name.clone(), Detector::load(name, path, device)?))
        };
        Ok(Self {
            nets,
            sampler,
            draws,
            codec,
            detectors: recipe.detectors.iter().map(load).collect::<Result<_, GenerateError>>()?,
            outputs: recipe.outputs,
        })
    }

    /// Of both nets.
    pub fn num_params(&self) -> u64 {
        self.nets.configs().filter_map(|config| num_params(config).ok()).sum()
    }

    /// The same files, sampled as another recipe says.
    pub fn resampled(&self, recipe: &Recipe) -> Result<Self, GenerateError> {
        let sampling = &recipe.model.sampling;
        let nets = self.nets.sampled(sampling);
        let (sampler, draws) = sampling_of(sampling, nets.net().config())?;
        Ok(Self { nets, sampler, draws, ..self.clone() })
    }

    /// Makes images too, where the net's encoder does it without weights of its own.
    pub fn add_free_images(&mut self, recipe: &Recipe) {
        let net = self.nets.net();
        let encoder = recipe.model.sampling.encoder.or(net.config().encoder_or_pixels());
        if let Some(Encoder::Rgb | Encoder::SpaceToDepth) = encoder
            && let Ok(codec) = load_codec(&recipe.model, net.config(), net.device())
        {
            self.codec = Some(codec);
            self.outputs.images = true;
        }
    }

    pub fn run(&mut self, seeds: &[u64], stop: &dyn Fn() -> bool) -> Result<Part, GenerateError> {
        device::set_threads(1);
        let _guard = tch::no_grad_guard();
        let draws = self.draws.of(seeds);
        let latents = self.sample(seeds, &draws, stop)?;
        let images = self.codec.as_ref().map(|codec| codec.decode(&latents)).transpose()?;
        let mut features = BTreeMap::new();
        if let Some(images) = &images {
            for (name, detector) in &self.detectors {
                features.insert(name.clone(), buffer(&detector.features(images)?));
            }
        }
        let labels = draws.labels.as_ref().map_or_else(|| vec![-1; seeds.len()], |l| buffer::<i64>(l).data);
        Ok(Part {
            noise: buffer(&draws.noise),
            labels,
            latents: self.outputs.latents.then(|| buffer(&latents.to_kind(Kind::Float))),
            images: images.filter(|_| self.outputs.images).map(|images| buffer(&images)),
            features,
        })
    }

    fn sample(&self, seeds: &[u64], draws: &Noise, stop: &dyn Fn() -> bool) -> Result<Tensor, GenerateError> {
        let device = self.nets.net().device();
        let labels = draws.labels.as_ref().map(|l| l.to_device(device));
        let mut index = 0;
        let denoise = |x: &Tensor, sigma: f64| {
            let evaluation = Evaluation { labels: labels.as_ref(), seeds, index };
            index += 1;
            if stop() { Err(Stopped) } else { Ok(self.nets.denoise(x, sigma, evaluation)) }
        };
        Ok(self.sampler.run(&draws.noise.to_device(device), &draws.churn, denoise)?)
    }
}

fn sampling_of(sampling: &Sampling, config: &NetConfig) -> Result<(Sampler, Draws), GenerateError> {
    let sampler = Sampler::new(sampling.sampler.clone());
    let draws = Draws {
        shape: config.image_shape(),
        label_dim: config.label_dim,
        stream: sampling.noise,
        classes: Classes::of_labels(&sampling.labels).map_err(DrawsError::from)?,
        churn_steps: sampler.churn_steps(),
    };
    draws.check()?;
    Ok((sampler, draws))
}

fn load_net(path: &Path, device: Device, precision: Precision) -> Result<Precond, GenerateError> {
    let Checkpoint { config, state } = Checkpoint::read(path)?;
    Precond::load(state, &config, device, precision)
        .map_err(|source| GenerateError::Net { path: path.display().to_string(), source })
}

/// The encoder that the recipe names, or else the net's file.
fn load_codec(model: &Edm2Spec, config: &NetConfig, device: Device) -> Result<Codec, GenerateError> {
    let encoder = model.sampling.encoder.or(config.encoder_or_pixels()).ok_or(GenerateError::NoEncoder)?;
    let vae = model.vae.as_ref().map(|file| Path::new(&file.path));
    let codec = Codec::load(encoder, vae, (device, model.vae_precision.unwrap_or_default()))?
        .whitened(config.whitening.as_ref())?;
    codec.check_channels(config.img_channels)?;
    Ok(codec)
}

/// Row-major values on the CPU.
pub fn buffer<T: Element + Default + Clone>(tensor: &Tensor) -> Buffer<T> {
    let tensor = tensor.to_device(Device::Cpu).contiguous();
    let mut data = vec![T::default(); tensor.numel()];
    let len = data.len();
    tensor.copy_data(&mut data, len);
    Buffer { shape: tensor.size().iter().map(|&n| n as usize).collect(), data }
}
