//! Pixels scaled to [−1, 1].

use tch::{Kind, Tensor};

pub fn encode(images: &Tensor) -> Tensor {
    images.to_kind(Kind::Float) / 127.5 - 1.0
}

/// Clips and truncates, as the published figures do.
pub fn decode(latents: &Tensor) -> Tensor {
    (latents.to_kind(Kind::Float) * 127.5 + 128.0).clamp(0.0, 255.0).to_kind(Kind::Uint8)
}
