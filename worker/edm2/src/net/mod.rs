//! The EDM2 network: magnitude-preserving primitives, blocks, U-Net and preconditioning.

mod block;
mod config;
mod mp_conv;
mod ops;
mod params;
mod precond;
mod unet;

pub use config::{ConfigError, NetConfig};
pub use mp_conv::normalized;
pub use params::{NetError, Params, StateDict};
pub use precond::{Precision, Precond};
