//! Inception v3 as the TensorFlow graph of 2015-12-05 has it: the FID detector.
//!
//! It is not torchvision's Inception v3: padding does not count in the blocks' mean pools, the last block's pool is a
//! maximum, there is no auxiliary head, and `fc` has 1008 outputs.

mod blocks;
mod plain;
mod resize;
mod tables;

use std::sync::Arc;

use tch::{Device, Kind, Tensor};

use crate::net::StateDict;
use crate::params::{Params, ParamsError, Scope, Shared};
use blocks::{BasicConv, Block};
use plain::PlainInception;
pub use resize::{Preprocessing, three_channels};

/// The net in float32 on one device. Clones share the weights.
#[derive(Clone, Debug)]
pub struct Inception {
    device: Device,
    trunk: Trunk,
    fc: Shared,
}

/// Who computes the features.
#[derive(Clone, Debug)]
enum Trunk {
    Torch(Vec<Block<BasicConv>>),
    /// On a CPU.
    Plain(Arc<PlainInception>),
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
        let _guard = tch::no_grad_guard();
        let mut params = Params::taken(state, device);
        let mut net = Self::build(&mut params.root())?;
        params.finish()?;
        drop(params);
        net.trunk = match net.trunk {
            Trunk::Torch(blocks) if device == Device::Cpu => Trunk::Plain(PlainInception::new(blocks).into()),
            trunk => trunk,
        };
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
        let mut built = Vec::new();
        for spec in tables::stem() {
            let (block, out) = blocks::block(at, vec![spec], channels)?;
            built.push(block);
            channels = out;
        }
        for (name, specs) in tables::blocks() {
            let (block, out) = blocks::block(&mut at.pp(name), specs, channels)?;
            built.push(block);
            channels = out;
        }
        let fc = at.tensor("fc.weight", &[Self::NUM_LOGITS, Self::NUM_FEATURES])?.into();
        // Of no use to features or unbiased logits; but it belongs to the net.
        let _ = at.tensor("fc.bias", &[Self::NUM_LOGITS])?;
        Ok(Self { device: at.device(), trunk: Trunk::Torch(built), fc })
    }

    pub fn device(&self) -> Device {
        self.device
    }

    /// Images that are best computed together, for their speed alone: on a CPU none changes the bits of another.
    pub fn at_once(&self) -> i64 {
        match self.trunk {
            Trunk::Torch(_) => super::GPU_BATCH,
            Trunk::Plain(_) => PlainInception::AT_ONCE,
        }
    }

    /// float32 `[N, 3, 299, 299]` as a [`Preprocessing`] leaves it to the pooled features `[N, 2048]`.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        match &self.trunk {
            Trunk::Torch(net) => {
                let x = net.iter().fold(x.shallow_clone(), |x, block| blocks::forward(block, &x));
                x.mean_dim([2, 3].as_slice(), false, Kind::Float)
            }
            Trunk::Plain(net) => net.forward(x),
        }
    }

    /// Class scores `[N, 1008]` from features `[N, 2048]`, without `fc`'s bias, as the Inception Score takes them.
    pub fn logits_unbiased(&self, features: &Tensor) -> Tensor {
        features.to_device(self.device).matmul(&self.fc.tr())
    }
}
