//! What both halves of the autoencoder are made of.

use tch::{Kind, Tensor};

use super::config::VaeConfig;
use crate::layers::{Conv, Linear, Norm};
use crate::params::{ParamsError, Scope};

/// GroupNorm–SiLU–3×3 twice, beside a shortcut.
#[derive(Clone, Debug)]
pub struct ResBlock {
    groups: i64,
    norm1: Norm,
    conv1: Conv,
    norm2: Norm,
    conv2: Conv,
    /// Where the channels change.
    shortcut: Option<Conv>,
}

impl ResBlock {
    pub fn new(at: &mut Scope, groups: i64, [input, out]: [i64; 2]) -> Result<Self, ParamsError> {
        Ok(Self {
            groups,
            norm1: Norm::new(&mut at.pp("norm1"), input)?,
            conv1: Conv::same(&mut at.pp("conv1"), [out, input, 3])?,
            norm2: Norm::new(&mut at.pp("norm2"), out)?,
            conv2: Conv::same(&mut at.pp("conv2"), [out, out, 3])?,
            shortcut: (input != out)
                .then(|| Conv::same(&mut at.pp("conv_shortcut"), [out, input, 1]))
                .transpose()?,
        })
    }

    pub fn forward(&self, x: &Tensor) -> Tensor {
        let y = self.conv1.forward(&self.norm1.groups(x, self.groups).silu());
        let y = self.conv2.forward(&self.norm2.groups(&y, self.groups).silu());
        match &self.shortcut {
            Some(conv) => conv.forward(x) + y,
            None => x + y,
        }
    }
}

/// Residual block, self-attention, residual block, at the lowest level.
#[derive(Clone, Debug)]
pub struct Middle {
    first: ResBlock,
    attention: Attention,
    second: ResBlock,
}

impl Middle {
    pub fn new(at: &mut Scope, config: &VaeConfig) -> Result<Self, ParamsError> {
        let (groups, channels) = (config.norm_num_groups, config.lowest());
        Ok(Self {
            first: ResBlock::new(&mut at.pp("resnets.0"), groups, [channels; 2])?,
            attention: Attention::new(&mut at.pp("attentions.0"), config)?,
            second: ResBlock::new(&mut at.pp("resnets.1"), groups, [channels; 2])?,
        })
    }

    pub fn forward(&self, x: &Tensor) -> Tensor {
        self.second.forward(&self.attention.forward(&self.first.forward(x)))
    }
}

/// Attention with one head over the positions of the image.
#[derive(Clone, Debug)]
struct Attention {
    groups: i64,
    norm: Norm,
    q: Linear,
    k: Linear,
    v: Linear,
    out: Linear,
}

impl Attention {
    fn new(at: &mut Scope, config: &VaeConfig) -> Result<Self, ParamsError> {
        let channels = config.lowest();
        let mut linear = |part: &str| Linear::new(&mut at.pp(part), channels, channels);
        let (q, k, v, out) = (linear("to_q")?, linear("to_k")?, linear("to_v")?, linear("to_out.0")?);
        let norm = Norm::new(&mut at.pp("group_norm"), channels)?;
        Ok(Self { groups: config.norm_num_groups, norm, q, k, v, out })
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        let (shape, channels) = (x.size(), x.size()[1]);
        // [N, H·W, C]
        let y = self.norm.groups(x, self.groups).flatten(2, -1).transpose(1, 2);
        let (q, k, v) = (self.q.forward(&y), self.k.forward(&y), self.v.forward(&y));
        // Scaled before the product, which could leave the range of float16.
        let scores = (q / (channels as f64).sqrt()).matmul(&k.transpose(1, 2));
        let y = scores.softmax(-1, Kind::Float).to_kind(v.kind()).matmul(&v);
        x + self.out.forward(&y).transpose(1, 2).reshape(shape)
    }
}
