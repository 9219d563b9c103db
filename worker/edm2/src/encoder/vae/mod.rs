//! Stability's autoencoder (diffusers' `AutoencoderKL`, published as `sd-vae-ft-mse`), with latents whitened as EDM2's
//! nets have them. No factor 0.18215 anywhere: the whitening takes its place.

mod blocks;
mod config;
mod halves;
mod whitening;

use std::path::Path;

use fidelis_formats::net::Whitening;
use tch::{Device, Kind, Tensor};

use super::EncoderError;
use crate::checkpoint::TensorFile;
use crate::layers::in_parts;
use crate::net::{Precision, StateDict, kind_of};
use crate::params::{Params, ParamsError};
pub use config::VaeConfig;
use halves::{Decoder, PixelEncoder};
pub(crate) use whitening::published as published_whitening;

/// Images that a GPU takes at once; at 512×512 their activations need some 2 GB in float32.
const GPU_BATCH: i64 = 4;

/// Key of the config, as JSON, in a safetensors file's metadata.
const CONFIG_KEY: &str = "config";

/// The autoencoder on one device; on a CPU each image goes through alone. Clones share the weights.
#[derive(Clone, Debug)]
pub struct StabilityVae {
    config: VaeConfig,
    device: Device,
    kind: Kind,
    whitening: Whitening,
    decoder: Decoder,
    encoder: PixelEncoder,
}

impl StabilityVae {
    /// Reads a safetensors file under diffusers' names; where its metadata has no `config`, it has the published shape.
    pub fn load(path: &Path, (device, precision): (Device, Precision)) -> Result<Self, EncoderError> {
        let unfit = |problem: String| EncoderError::Weights { path: path.to_owned(), problem };
        let file = TensorFile::read(path)?;
        let config = file.metadata.get(CONFIG_KEY).map(|json| VaeConfig::parse(json));
        let config = config.transpose().map_err(unfit)?.unwrap_or_default();
        Self::new(file.tensors, config, (device, kind_of(precision)))
            .map_err(|error| unfit(error.to_string()))
    }

    /// Names and shapes of the published file's tensors.
    pub fn layout() -> Vec<(String, Vec<i64>)> {
        let mut params = Params::blank();
        Self::halves(&mut params, &VaeConfig::default()).expect("blank tensors have every name and shape");
        params.layout()
    }

    fn halves(params: &mut Params<'_>, config: &VaeConfig) -> Result<(Decoder, PixelEncoder), ParamsError> {
        Ok((Decoder::new(&mut params.root(), config)?, PixelEncoder::new(&mut params.root(), config)?))
    }

    fn new(state: StateDict, config: VaeConfig, (device, kind): (Device, Kind)) -> Result<Self, ParamsError> {
        let _guard = tch::no_grad_guard();
        let mut params = Params::taken(renamed(state), device).in_kind(kind);
        let (decoder, encoder) = Self::halves(&mut params, &config)?;
        params.finish()?;
        Ok(Self { config, device, kind, whitening: whitening::published(), decoder, encoder })
    }

    /// With the whitening that a net's file names in place of the published one.
    pub fn whitened(self, whitening: &Whitening) -> Result<Self, EncoderError> {
        let channels = [&whitening.scale, &whitening.bias].map(|values| values.len() as i64);
        if channels != [Self::CHANNELS; 2] || !whitening.is_sound() {
            return Err(EncoderError::Whitening { found: whitening.clone() });
        }
        Ok(Self { whitening: whitening.clone(), ..self })
    }

    /// Channels of a latent.
    pub const CHANNELS: i64 = whitening::CHANNELS;

    /// Whitened latents `[N, 4, h, w]` to uint8 `[N, 3, H, W]`, truncating.
    pub fn decode(&self, latents: &Tensor) -> Result<Tensor, EncoderError> {
        let pixels = self.decode_raw(&self.raw(latents)?);
        Ok((pixels.clamp(0.0, 1.0) * 255.0).to_kind(Kind::Uint8))
    }

    /// Latents without their whitening, float32.
    pub fn raw(&self, latents: &Tensor) -> Result<Tensor, EncoderError> {
        match latents.size()[..] {
            [_, Self::CHANNELS, _, _] => Ok(whitening::remove(&self.whitening, latents)),
            _ => Err(EncoderError::Latents { expected: "[N, 4, h, w]", found: latents.size() }),
        }
    }

    /// What the decoder makes of raw latents: float32 `[N, 3, H, W]`, most of it in [0, 1].
    pub fn decode_raw(&self, raw: &Tensor) -> Tensor {
        self.through(raw, |x| self.decoder.forward(x))
    }

    /// uint8 `[N, 3, H, W]` to the posterior's means and standard deviations, float32 `[N, 8, h, w]` on the CPU: what a
    /// dataset of latents stores.
    pub fn encode(&self, images: &Tensor) -> Result<Tensor, EncoderError> {
        let factor = self.config.downsampling();
        match images.size()[..] {
            [_, 3, h, w] if images.kind() == Kind::Uint8 && h % factor == 0 && w % factor == 0 => {}
            _ => {
                let expected = format!("uint8 [N, 3, H, W] with sides divisible by {factor}");
                return Err(EncoderError::Images { expected, found: images.size() });
            }
        }
        let moments = self.through(images, |x| {
            let moments = self.encoder.forward(&(x / 255.0)).to_kind(Kind::Float);
            let [mean, logvar] = [0, 1].map(|half| moments.narrow(1, half * Self::CHANNELS, Self::CHANNELS));
            Tensor::cat(&[mean, (logvar.clamp(-30.0, 20.0) / 2.0).exp()], 1)
        });
        Ok(moments.to_device(Device::Cpu))
    }

    /// Whitened latents drawn from posteriors `[N, 8, h, w]` with torch's current CPU generator.
    pub fn draw(&self, moments: &Tensor) -> Tensor {
        draw(&self.whitening, moments)
    }

    fn through(&self, x: &Tensor, half: impl Fn(&Tensor) -> Tensor) -> Tensor {
        let _guard = tch::no_grad_guard();
        let part = |x: &Tensor| Ok(half(&x.to_device(self.device).to_kind(self.kind)).to_kind(Kind::Float));
        let Ok(whole) = in_parts::<std::convert::Infallible>(x, self.device, GPU_BATCH, part);
        whole
    }
}

/// As [`StabilityVae::draw`], which needs no weights.
pub(crate) fn draw(whitening: &Whitening, moments: &Tensor) -> Tensor {
    let [mean, std] = [0, 1].map(|half| moments.narrow(1, half * whitening::CHANNELS, whitening::CHANNELS));
    let noise = Tensor::randn(mean.size(), (Kind::Float, Device::Cpu)).to_device(moments.device());
    whitening::apply(whitening, &(mean + std * noise))
}

/// Older files have the attention's parts under other names, and as 1×1 convolutions.
fn renamed(state: StateDict) -> StateDict {
    const NAMES: [(&str, &str); 4] =
        [(".query.", ".to_q."), (".key.", ".to_k."), (".value.", ".to_v."), (".proj_attn.", ".to_out.0.")];
    let current = |(name, tensor): (String, Tensor)| {
        if !name.contains(".attentions.0.") {
            return (name, tensor);
        }
        let name = NAMES.iter().fold(name, |name, (old, new)| name.replace(old, new));
        match tensor.size()[..] {
            [out, input, 1, 1] => (name, tensor.reshape([out, input])),
            _ => (name, tensor),
        }
    };
    state.into_iter().map(current).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixture(name: &str) -> TensorFile {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures");
        TensorFile::read(&folder.join(name)).unwrap()
    }

    /// The type that a GPU computes in, on a CPU: every operator takes it, and pixels stay close.
    #[test]
    fn half_precision_stays_close_to_single() {
        tch::set_num_threads(1);
        let golden = fixture("vae-golden.safetensors").tensors;
        let file = fixture("vae-tiny.safetensors");
        let config = VaeConfig::parse(&file.metadata[CONFIG_KEY]).unwrap();
        let vae = StabilityVae::new(file.tensors, config, (Device::Cpu, Kind::Half)).unwrap();
        let off = |found: Tensor, expected: &Tensor| {
            assert_eq!(found.kind(), Kind::Float);
            (found - expected).abs().max().double_value(&[]) / expected.abs().max().double_value(&[])
        };
        let decoded = off(vae.decode_raw(&golden["raw_latent"]), &golden["decoded_float"]);
        let encoded = off(vae.encode(&golden["image"]).unwrap(), &golden["raw_mean_std"]);
        assert!((1e-6..2e-2).contains(&decoded) && (1e-6..2e-2).contains(&encoded), "{decoded} {encoded}");
    }
}
