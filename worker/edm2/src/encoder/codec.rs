//! An encoder, loaded.

use std::path::Path;

use fidelis_formats::net::Whitening;
use tch::{Device, Kind, Tensor};

use super::{Encoder, EncoderError, StabilityVae, pixels};
use crate::net::Precision;

/// Does what an [`Encoder`] names. Clones share the weights.
#[derive(Clone, Debug)]
pub enum Codec {
    Rgb,
    SpaceToDepth,
    StabilityVae(Box<StabilityVae>),
}

impl Codec {
    /// Loads the encoder; `vae` are the weights of [`Encoder::StabilityVae`] (`.safetensors`, diffusers' names), whose
    /// arithmetic alone is a choice.
    pub fn load(
        encoder: Encoder,
        vae: Option<&Path>,
        place: (Device, Precision),
    ) -> Result<Self, EncoderError> {
        match encoder {
            Encoder::Rgb => Ok(Self::Rgb),
            Encoder::SpaceToDepth => Ok(Self::SpaceToDepth),
            Encoder::StabilityVae => {
                let path = vae.ok_or(EncoderError::NoVae)?;
                Ok(Self::StabilityVae(Box::new(StabilityVae::load(path, place)?)))
            }
        }
    }

    /// With the whitening of a net's file, where it names one and the encoder has any.
    pub fn whitened(self, whitening: Option<&Whitening>) -> Result<Self, EncoderError> {
        match (self, whitening) {
            (Self::StabilityVae(vae), Some(whitening)) => {
                Ok(Self::StabilityVae(Box::new(vae.whitened(whitening)?)))
            }
            (codec, _) => Ok(codec),
        }
    }

    /// uint8 `[N, C, H, W]` to what a dataset stores: the pixels themselves, or the autoencoder's posteriors
    /// `[N, 8, H/8, W/8]` (means, then standard deviations) in float32.
    pub fn encode(&self, images: &Tensor) -> Result<Tensor, EncoderError> {
        let expects = |expected: &str| {
            Err(EncoderError::Images { expected: expected.to_owned(), found: images.size() })
        };
        match (self, &images.size()[..]) {
            (Self::StabilityVae(vae), _) => vae.encode(images),
            (_, size) if size.len() != 4 || images.kind() != Kind::Uint8 => expects("uint8 [N, C, H, W]"),
            (Self::SpaceToDepth, [_, _, h, w]) if h % 2 != 0 || w % 2 != 0 => expects("with even sides"),
            _ => Ok(images.shallow_clone()),
        }
    }

    /// What [`Self::encode`] made, as the net acts on it, in float32. The autoencoder's latents are drawn from their
    /// posteriors with torch's current CPU generator.
    pub fn latents(&self, encoded: &Tensor) -> Tensor {
        match self {
            Self::Rgb => pixels::encode(encoded),
            Self::SpaceToDepth => pixels::encode(encoded).pixel_unshuffle(2),
            Self::StabilityVae(vae) => vae.draw(encoded),
        }
    }

    /// Checks that a net with latents of these channels goes with this encoder.
    pub fn check_channels(&self, channels: i64) -> Result<(), EncoderError> {
        let (fits, expected) = match self {
            Self::Rgb => (true, ""),
            Self::SpaceToDepth => (channels % 4 == 0, "of a multiple of 4 channels"),
            Self::StabilityVae(_) => (channels == StabilityVae::CHANNELS, "[N, 4, h, w]"),
        };
        if fits { Ok(()) } else { Err(EncoderError::Latents { expected, found: vec![channels] }) }
    }

    /// Float latents `[N, C, h, w]` to uint8 `[N, C', H, W]`, truncating.
    pub fn decode(&self, latents: &Tensor) -> Result<Tensor, EncoderError> {
        match self {
            Self::Rgb => Ok(pixels::decode(latents)),
            Self::SpaceToDepth => {
                self.check_channels(latents.size().get(1).copied().unwrap_or(0))?;
                Ok(pixels::decode(&latents.pixel_shuffle(2)))
            }
            Self::StabilityVae(vae) => vae.decode(latents),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pixel_value_survives_encode_and_decode() {
        let images = Tensor::arange(256, (Kind::Uint8, Device::Cpu)).reshape([1, 1, 16, 16]);
        for codec in [Codec::Rgb, Codec::SpaceToDepth] {
            let latents = codec.latents(&codec.encode(&images).unwrap());
            assert_eq!(codec.decode(&latents).unwrap(), images, "{codec:?}");
        }
    }

    #[test]
    fn space_to_depth_puts_each_block_into_the_channels() {
        let images = Tensor::arange(16, (Kind::Uint8, Device::Cpu)).reshape([1, 1, 4, 4]);
        let latents = (Codec::SpaceToDepth.latents(&images) + 1.0) * 127.5;
        let first_block: Vec<f32> = latents.select(3, 0).select(2, 0).flatten(0, -1).try_into().unwrap();
        assert_eq!(latents.size(), [1, 4, 2, 2]);
        assert!(
            first_block.iter().zip([0.0, 1.0, 4.0, 5.0]).all(|(a, b)| (a - b).abs() < 1e-4),
            "{first_block:?}"
        );
    }

    #[test]
    fn what_an_encoder_cannot_take_is_named() {
        let odd = Tensor::zeros([1, 1, 5, 4], (Kind::Uint8, Device::Cpu));
        assert!(Codec::SpaceToDepth.encode(&odd).unwrap_err().to_string().contains("even sides"));
        let float = Tensor::zeros([1, 1, 4, 4], (Kind::Float, Device::Cpu));
        assert!(Codec::Rgb.encode(&float).unwrap_err().to_string().contains("uint8"));
        let error = Codec::SpaceToDepth.decode(&Tensor::zeros([1, 3, 4, 4], (Kind::Float, Device::Cpu)));
        assert!(error.unwrap_err().to_string().contains("multiple of 4"));
        let error = Codec::load(Encoder::StabilityVae, None, (Device::Cpu, Precision::Fp32)).unwrap_err();
        assert!(error.to_string().contains("`vae`"), "{error}");
    }
}
