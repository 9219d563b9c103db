//! Between pixels (uint8) and what a net acts on.

mod codec;
mod error;
mod pixels;
mod posteriors;
mod vae;

pub use codec::Codec;
pub use error::EncoderError;
pub use fidelis_formats::net::Encoder;
pub use posteriors::Posteriors;
pub use vae::{StabilityVae, VaeConfig};
pub(crate) use vae::{draw, published_whitening};
