//! Why pixels did not become latents, or latents pixels.

use std::path::PathBuf;

use fidelis_contract::outcome::{Class, Outcome};
use fidelis_formats::net::Whitening;

use crate::checkpoint::TensorFileError;

#[derive(Debug, thiserror::Error)]
pub enum EncoderError {
    #[error("the encoder `stability-vae` needs the autoencoder's weights: name its file as `vae`")]
    NoVae,
    #[error(transparent)]
    File(#[from] TensorFileError),
    #[error("`{path}` does not hold the weights of `stability-vae`: {problem}")]
    Weights { path: PathBuf, problem: String },
    #[error(
        "the encoder takes latents {expected}, not of shape {found:?}: does the net go with this encoder?"
    )]
    Latents { expected: &'static str, found: Vec<i64> },
    #[error("the encoder takes images {expected}, not of shape {found:?}")]
    Images { expected: String, found: Vec<i64> },
    #[error("the net's file whitens latents by {found:?}: expected four factors and four terms")]
    Whitening { found: Whitening },
}

impl Outcome for EncoderError {
    fn class(&self) -> Class {
        if let Self::File(error) = self { error.class() } else { Class::Usage }
    }
}
