//! The EDM2 network: magnitude-preserving primitives, blocks, U-Net and preconditioning.

mod block;
mod mp_conv;
mod ops;
mod params;
mod precond;
mod resample;
mod unet;

pub use fidelis_formats::net::{ConfigError, NetConfig};
pub use mp_conv::normalized;
pub(crate) use ops::mp_silu;
pub use params::{NetError, Params, StateDict, num_params};
pub use precond::{Precision, Precond};
