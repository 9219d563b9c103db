//! From what a dataset stores to what a net acts on.

use fidelis_formats::net::Whitening;
use tch::{Device, Kind, Tensor};

use super::recipe::Recipe;
use crate::encoder::{Codec, Encoder, EncoderError, draw, published_whitening};
use crate::net::Precision;

/// Channels of a stored posterior: means and standard deviations of four.
const POSTERIOR_CHANNELS: i64 = 8;

/// How stored images become clean ones.
#[derive(Debug)]
pub enum Clean {
    /// From uint8 pixels.
    Pixels(Codec),
    /// Drawn from the autoencoder's posteriors, which needs no autoencoder.
    Posteriors(Whitening),
}

impl Clean {
    /// For a dataset that stores images such as `example` `[1, C, H, W]`.
    ///
    /// # Errors
    /// Images that the recipe's encoder cannot take, or an encoder whose weights are missing.
    pub fn new(recipe: &Recipe, example: &Tensor, device: Device) -> Result<Self, EncoderError> {
        let encoder = recipe.net.encoder.expect("a checked recipe names its encoder");
        if example.kind() == Kind::Uint8 {
            let codec = Codec::load(encoder, recipe.vae.as_deref(), (device, Precision::Fp32))?;
            return Ok(Self::Pixels(codec.whitened(recipe.net.whitening.as_ref())?));
        }
        if encoder != Encoder::StabilityVae || example.size()[1] != POSTERIOR_CHANNELS {
            let expected = match encoder {
                Encoder::StabilityVae => "[N, 8, h, w]: an autoencoder's means and standard deviations",
                Encoder::Rgb | Encoder::SpaceToDepth => "uint8 [N, C, H, W], no latents",
            };
            return Err(EncoderError::Images { expected: expected.to_owned(), found: example.size() });
        }
        Ok(Self::Posteriors(recipe.net.whitening.clone().unwrap_or_else(published_whitening)))
    }

    /// Float32 `[N, C, h, w]` on the CPU or the encoder's device; posteriors are drawn from with torch's current CPU generator.
    ///
    /// # Errors
    /// Images that the encoder cannot take.
    pub fn of(&self, stored: &Tensor) -> Result<Tensor, EncoderError> {
        match self {
            // In memory they were encoded once and for all.
            Self::Pixels(codec) if stored.kind() == Kind::Uint8 => Ok(codec.latents(&codec.encode(stored)?)),
            Self::Pixels(codec) => Ok(codec.latents(stored)),
            Self::Posteriors(whitening) => Ok(draw(whitening, stored)),
        }
    }
}
