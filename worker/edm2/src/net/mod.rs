//! The EDM2 network: magnitude-preserving primitives, blocks, U-Net and preconditioning.

mod block;
mod learning;
mod mp_conv;
mod ops;
mod plain;
mod precond;
mod resample;
mod unet;

pub use crate::params::{Params, StateDict};
pub use fidelis_contract::spec::Precision;
pub use fidelis_formats::net::{ConfigError, NetConfig};
pub use mp_conv::normalized;
pub(crate) use ops::mp_silu;
pub(crate) use precond::kind_of;
pub use precond::{NetError, Precond, multiply_adds, num_params};
pub(crate) use unet::Given;
