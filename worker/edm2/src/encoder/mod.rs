//! Between pixels (uint8) and what a net acts on.

mod pixels;

use serde::{Deserialize, Serialize};
use tch::Tensor;

/// How pixels become what a net acts on, under the names that specs and configs use.
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

impl Encoder {
    /// uint8 `[N, C, H, W]` to float32.
    pub fn encode(self, images: &Tensor) -> Tensor {
        let scaled = pixels::encode(images);
        match self {
            Self::Rgb => scaled,
            Self::SpaceToDepth => scaled.pixel_unshuffle(2),
            Self::StabilityVae => panic!("the autoencoder is loaded apart"),
        }
    }

    /// Float latents to uint8 `[N, C, H, W]`.
    pub fn decode(self, latents: &Tensor) -> Tensor {
        match self {
            Self::Rgb => pixels::decode(latents),
            Self::SpaceToDepth => pixels::decode(&latents.pixel_shuffle(2)),
            Self::StabilityVae => panic!("the autoencoder is loaded apart"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pixel_value_survives_encode_and_decode() {
        let images = Tensor::arange(256, (tch::Kind::Uint8, tch::Device::Cpu)).reshape([1, 1, 16, 16]);
        for encoder in [Encoder::Rgb, Encoder::SpaceToDepth] {
            assert_eq!(encoder.decode(&encoder.encode(&images)), images, "{encoder:?}");
        }
    }

    #[test]
    fn space_to_depth_puts_each_block_into_the_channels() {
        let images = Tensor::arange(16, (tch::Kind::Uint8, tch::Device::Cpu)).reshape([1, 1, 4, 4]);
        let latents = (Encoder::SpaceToDepth.encode(&images) + 1.0) * 127.5;
        let first_block: Vec<f32> = latents.select(3, 0).select(2, 0).flatten(0, -1).try_into().unwrap();
        assert_eq!(latents.size(), [1, 4, 2, 2]);
        assert!(
            first_block.iter().zip([0.0, 1.0, 4.0, 5.0]).all(|(a, b)| (a - b).abs() < 1e-4),
            "{first_block:?}"
        );
    }
}
