//! A block's forward pass in training: the same function as in inference, up to rounding, in fewer passes over the activations,
//! each of which autograd would repeat. Constant factors go into the weights that follow or precede them.

use tch::{Device, Kind, Tensor};

use super::block::{Attention, Block, Flavor};
use super::ops::{SILU_MAGNITUDE, mp_sum_factors, normalize};

impl Block {
    /// As [`Block::forward`], with the weights as they are stored, and dropout.
    pub(super) fn learn(&self, x: Tensor, emb: &Tensor) -> Tensor {
        let mut x = self.filter.apply(self.shape.resample, x);
        if self.shape.flavor == Flavor::Enc {
            x = self.conv_skip.as_ref().map_or_else(|| x.shallow_clone(), |conv| conv.forward(&x));
            x = normalize(&x, &[1]);
        }
        let (of_x, of_y) = mp_sum_factors(self.res_balance);
        let y = self.conv_res0.times(&x.silu(), 1.0 / SILU_MAGNITUDE);
        let c = (self.emb_linear.forward(emb) + 1.0).unsqueeze(-1).unsqueeze(-1).to_kind(y.kind());
        let mut y = (y * c).silu();
        if self.dropout > 0.0 {
            y = y.dropout(self.dropout, true);
        }
        let y = self.conv_res1.times(&y, of_y / SILU_MAGNITUDE);
        x = match &self.conv_skip {
            Some(conv) if self.shape.flavor == Flavor::Dec => y + conv.times(&x, of_x),
            _ => sum_with(&y, &x, of_x),
        };
        if let Some(attention) = &self.attention {
            x = attention.learn(&x);
        }
        match self.clip_act {
            Some(clip) if acts(clip, &x) => x.clamp(-clip, clip),
            _ => x,
        }
    }
}

impl Attention {
    fn learn(&self, x: &Tensor) -> Tensor {
        let (of_x, of_y) = mp_sum_factors(self.balance);
        let y = self.gathered(&self.qkv.forward(x), x);
        sum_with(&self.proj.times(&y, of_y), x, of_x)
    }
}

/// `y + x·factor` in one pass.
fn sum_with(y: &Tensor, x: &Tensor, factor: f64) -> Tensor {
    y.addcmul(x, &Tensor::from(factor as f32).to_kind(x.kind()).to_device(x.device()))
}

/// Whether clipping would change anything: on a CPU a look is cheaper than what autograd does for a clip. A GPU would have
/// to be waited for.
fn acts(clip: f64, x: &Tensor) -> bool {
    if x.device() != Device::Cpu {
        return true;
    }
    let (low, high) = x.detach().aminmax(None::<i64>, false);
    // True of values that are not numbers, too.
    !(low.to_kind(Kind::Double).double_value(&[]) >= -clip
        && high.to_kind(Kind::Double).double_value(&[]) <= clip)
}
