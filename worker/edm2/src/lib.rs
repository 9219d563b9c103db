//! EDM2 networks on libtorch: guided sampling, encoders, detectors and training. Seeds in, plain buffers out.
//!
//! This crate knows no queue and no store. Everything that touches a device lies here.
//!
//! - [`net`]: the network and its preconditioning
//! - [`noise`], [`sampler`], [`guidance`]: from a seed to a latent
//! - [`damage`]: nets made worse while they sample
//! - [`encoder`]: between latents and pixels
//! - [`detector`]: from pixels to features
//! - [`generate`]: all of the above in one, for a list of seeds
//! - [`checkpoint`]: nets in and out of files
//! - [`device`]: devices by name
//! - [`params`]: tensors by name, shared between lanes
//! - [`data`], [`train`]: datasets, and the trainer of nets and of the demo's detector
//! - [`toy`]: the 2D example of autoguidance

pub mod checkpoint;
pub mod damage;
pub mod data;
mod dense;
pub mod detector;
pub mod device;
pub mod encoder;
pub mod generate;
pub mod guidance;
mod kernels;
mod layers;
pub mod net;
pub mod noise;
pub mod params;
pub mod sampler;
pub mod toy;
pub mod train;
