//! What the engine `edm2` works from.

use super::{
    FileRef, Sampling,
    validate::{Checked, require},
};
use crate::text::text_enum;

text_enum! {
    /// Whose random stream the noise is; it depends on the seed alone (D1). A seed counts modulo 2³².
    #[derive(Default)]
    NoiseMode: "noise" {
        /// torch's CPU generator (mt19937), one per image.
        #[default]
        Cpu = "cpu",
        /// torch's CUDA generator (Philox 4×32-10), one per image; computed so that every device sees the same bits.
        Cuda = "cuda",
    }
}

text_enum! {
    /// The number type of a net's activations and weights.
    #[derive(Default)]
    Precision: "precision" {
        /// IEEE single.
        #[default]
        Fp32 = "fp32",
        /// bfloat16.
        Bf16 = "bf16",
        /// IEEE half, as the published nets run on CUDA.
        Fp16 = "fp16",
    }
}

text_enum! {
    /// How pixels become what a net acts on, and back; also in the configs of nets.
    Encoder: "encoder" {
        /// Pixels scaled to [−1, 1].
        Rgb = "rgb",
        /// Pixels scaled to [−1, 1], each 2×2 block laid into the channels: four channels at half the side.
        SpaceToDepth = "space-to-depth",
        /// Latents of Stability's autoencoder, whitened as EDM2 has them; needs `vae`.
        StabilityVae = "stability-vae",
    }
}

/// A guided pair of EDM2 nets and how it is sampled.
#[derive(Debug, Clone, PartialEq)]
pub struct Edm2Spec {
    /// The main net.
    pub net: FileRef,
    /// The guiding net; required when guidance is not 1.
    pub gnet: Option<FileRef>,
    /// Weights of the encoder `stability-vae`.
    pub vae: Option<FileRef>,
    /// Arithmetic of the encoder `stability-vae`; `None` is fp32.
    pub vae_precision: Option<Precision>,
    /// All the rest.
    pub sampling: Sampling,
}

impl Edm2Spec {
    /// Checks everything that decides how images are sampled: of specs, and of command lines that do without one.
    ///
    /// # Errors
    /// [`SpecError::Field`](super::SpecError::Field) for the first rule that is broken.
    pub fn validate(&self) -> Checked {
        self.sampling.validate()?;
        let guidance = self.sampling.guidance;
        require(guidance == 1.0 || self.gnet.is_some(), "guidance", || {
            format!("`{guidance}` needs a guiding net: set `gnet`, or set guidance to `1`")
        })?;
        require(self.gnet.is_some() || self.sampling.gnet_damage.is_none(), "gnet_damage", || {
            "belongs to `gnet`: remove it, or name a guiding net".into()
        })
    }

    /// A spec says of its autoencoder all or nothing.
    pub(super) fn check_vae(&self) -> Checked {
        require(self.vae_precision.is_none() || self.vae.is_some(), "vae_precision", || {
            "belongs to `vae`: remove it, or name one".into()
        })?;
        require(self.vae.is_some() == (self.sampling.encoder == Some(Encoder::StabilityVae)), "vae", || {
            "goes with `encoder = \"stability-vae\"` and only with it: set both or neither".into()
        })
    }
}
