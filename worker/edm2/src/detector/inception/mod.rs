//! Inception v3 as the TensorFlow graph of 2015-12-05 has it: the FID detector.
//!
//! It is not torchvision's Inception v3: padding does not count in the blocks' mean pools, the last block's pool is a
//! maximum, there is no auxiliary head, and `fc` has 1008 outputs.

mod blocks;
mod resize;
mod tables;

use tch::{Device, Kind, Tensor};

use crate::net::StateDict;
use crate::params::{Params, ParamsError, Scope, Shared};
use blocks::{BasicConv, Block, Pool, conv, valid};
pub use resize::{Preprocessing, three_channels};

/// The net in float32 on one device. Clones share the weights.
#[derive(Clone, Debug)]
pub struct Inception {
    device: Device,
    stem: Vec<Stem>,
    blocks: Vec<Block>,
    fc: Shared,
}

#[derive(Clone, Debug)]
enum Stem {
    Conv(BasicConv),
    Halve,
}

impl Inception {
    /// Channels of the features.
    pub const NUM_FEATURES: i64 = 2048;
    /// Channels of the logits.
    pub const NUM_LOGITS: i64 = 1008;

    /// Takes the weights from a state dict under torchvision's names, and folds the batch normalizations in.
    pub fn new(mut state: StateDict, device: Device) -> Result<Self, ParamsError> {
        // A counter of training steps.
        state.retain(|name, _| !name.ends_with(".num_batches_tracked"));
        let mut params = Params::stored(&state, device);
        let net = Self::build(&mut params.root())?;
        params.finish()?;
        Ok(net)
    }

    /// Names and shapes of the state dict.
    pub fn layout() -> Vec<(String, Vec<i64>)> {
        let mut params = Params::blank();
        Self::build(&mut params.root()).expect("blank weights have every name and shape");
        params.layout()
    }

    fn build(at: &mut Scope) -> Result<Self, ParamsError> {
        let _guard = tch::no_grad_guard();
        let mut channels = 3;
        let mut stem = Vec::new();
        for spec in [
            Some(valid("Conv2d_1a_3x3", 32, 2)),
            Some(valid("Conv2d_2a_3x3", 32, 1)),
            Some(conv("Conv2d_2b_3x3", 64, 3)),
            None,
            Some(conv("Conv2d_3b_1x1", 80, 1)),
            Some(valid("Conv2d_4a_3x3", 192, 1)),
            None,
        ] {
            stem.push(match spec {
                None => Stem::Halve,
                Some(spec) => {
                    let conv = BasicConv::new(at, spec, channels)?;
                    channels = spec.out;
                    Stem::Conv(conv)
                }
            });
        }
        let mut built = Vec::new();
        for (name, specs) in tables::blocks() {
            let (block, out) = Block::new(&mut at.pp(name), specs, channels)?;
            built.push(block);
            channels = out;
        }
        let fc = at.tensor("fc.weight", &[Self::NUM_LOGITS, Self::NUM_FEATURES])?.into();
        // Of no use to features or unbiased logits; but it belongs to the net.
        let _ = at.tensor("fc.bias", &[Self::NUM_LOGITS])?;
        Ok(Self { device: at.device(), stem, blocks: built, fc })
    }

    pub fn device(&self) -> Device {
        self.device
    }

    /// float32 `[N, 3, 299, 299]` as a [`Preprocessing`] leaves it to the pooled features `[N, 2048]`.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let x = self.stem.iter().fold(x.shallow_clone(), |x, step| match step {
            Stem::Conv(conv) => conv.forward(&x),
            Stem::Halve => Pool::Halve.forward(&x),
        });
        let x = self.blocks.iter().fold(x, |x, block| block.forward(&x));
        x.mean_dim([2, 3].as_slice(), false, Kind::Float)
    }

    /// Class scores `[N, 1008]` from features `[N, 2048]`, without `fc`'s bias, as the Inception Score takes them.
    pub fn logits_unbiased(&self, features: &Tensor) -> Tensor {
        features.to_device(self.device).matmul(&self.fc.tr())
    }
}
