//! Between pixels (uint8) and what a net acts on.

mod codec;
mod error;
mod pixels;
mod vae;

use serde::{Deserialize, Serialize};

pub use codec::Codec;
pub use error::EncoderError;
pub use vae::{StabilityVae, VaeConfig};

/// How pixels become what a net acts on, under the names that specs and configs use. [`Codec`] does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encoder {
    /// Pixels scaled to [−1, 1].
    Rgb,
    /// Pixels scaled to [−1, 1], each 2×2 block laid into the channels: four channels at half the side.
    SpaceToDepth,
    /// Latents of Stability's autoencoder, whitened as EDM2 has them.
    StabilityVae,
}
