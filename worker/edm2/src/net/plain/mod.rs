//! A frozen net in float32 on the CPU, without libtorch: the same formulas as beside it, with what is constant folded
//! into the weights and element-wise steps done where the values are at hand.

mod attention;
mod block;
mod embedding;
mod fold;
mod unet;

pub use unet::PlainUNet;
