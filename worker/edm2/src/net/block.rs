//! One encoder or decoder block of the U-Net (EDM2, figure 21).

use fidelis_formats::net::NetConfig;
use tch::{Kind, Tensor};

use super::mp_conv::MpConv;
use super::ops::{Resample, channels_last, is_channels_last, mp_silu, mp_sum, normalize};
use super::resample::Filter;
use crate::damage::Dropout;
use crate::params::{ParamsError, Scope};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavor {
    Enc,
    Dec,
}

/// What sets one block apart from the others of the same net.
#[derive(Clone, Copy, Debug)]
pub struct BlockShape {
    pub in_channels: i64,
    pub out_channels: i64,
    pub flavor: Flavor,
    pub resample: Resample,
    pub attention: bool,
}

#[derive(Clone, Debug)]
pub struct Block {
    pub(super) shape: BlockShape,
    pub(super) filter: Filter,
    pub(super) res_balance: f64,
    pub(super) clip_act: Option<f64>,
    /// For training only; [`Self::forward`] is told of its own.
    pub(super) dropout: f64,
    pub(super) conv_res0: MpConv,
    pub(super) emb_linear: MpConv,
    pub(super) conv_res1: MpConv,
    pub(super) conv_skip: Option<MpConv>,
    pub(super) attention: Option<Attention>,
}

impl Block {
    pub fn new(at: &mut Scope, config: &NetConfig, shape: BlockShape) -> Result<Self, ParamsError> {
        let BlockShape { in_channels, out_channels: out, .. } = shape;
        let inner = if shape.flavor == Flavor::Enc { out } else { in_channels };
        let skips = in_channels != out;
        Ok(Self {
            shape,
            filter: Filter::new(&config.resample_filter, at.device()),
            res_balance: config.res_balance,
            clip_act: config.clip_act,
            dropout: config.dropout,
            conv_res0: MpConv::new(&mut at.pp("conv_res0"), &[out, inner, 3, 3])?,
            emb_linear: MpConv::with_gain(at, ("emb_linear", "emb_gain"), &[out, config.emb_channels()])?,
            conv_res1: MpConv::new(&mut at.pp("conv_res1"), &[out, out, 3, 3])?,
            conv_skip: skips
                .then(|| MpConv::new(&mut at.pp("conv_skip"), &[out, in_channels, 1, 1]))
                .transpose()?,
            attention: (shape.attention && config.heads(out) > 0)
                .then(|| Attention::new(at, config, out))
                .transpose()?,
        })
    }

    /// `x` `[N, in, H, W]` and `emb` `[N, emb]` (float32) to `[N, out, H', W']`.
    pub fn forward(&self, x: Tensor, emb: &Tensor, dropout: Option<Dropout>) -> Tensor {
        let mut x = self.filter.apply(self.shape.resample, x);
        if self.shape.flavor == Flavor::Enc {
            x = self.skip(x);
            x = normalize(&x, &[1]);
        }
        let y = self.residual(&x, emb, dropout);
        if self.shape.flavor == Flavor::Dec {
            x = self.skip(x);
        }
        x = mp_sum(&x, &y, self.res_balance);
        if let Some(attention) = &self.attention {
            x = attention.forward(x);
        }
        match self.clip_act {
            Some(clip) => x.clamp(-clip, clip),
            None => x,
        }
    }

    fn skip(&self, x: Tensor) -> Tensor {
        self.conv_skip.as_ref().map_or_else(|| x.shallow_clone(), |conv| conv.forward(&x))
    }

    fn residual(&self, x: &Tensor, emb: &Tensor, dropout: Option<Dropout>) -> Tensor {
        let y = self.conv_res0.forward(&mp_silu(x));
        let c = (self.emb_linear.forward(emb) + 1.0).unsqueeze(-1).unsqueeze(-1).to_kind(y.kind());
        let y = mp_silu(&(y * c));
        self.conv_res1.forward(&dropout.map_or_else(|| y.shallow_clone(), |dropout| dropout.apply(&y)))
    }

    /// Multiply-adds for one image that comes with `resolution` pixels along an edge, and the resolution that it leaves
    /// with.
    pub fn multiply_adds(&self, resolution: u64) -> (u64, u64) {
        let resolution = self.shape.resample.of(resolution);
        let positions = resolution * resolution;
        let convs = [Some(&self.conv_res0), Some(&self.conv_res1), self.conv_skip.as_ref()];
        let convs: u64 = convs.into_iter().flatten().map(|conv| conv.multiply_adds(positions)).sum();
        let attention = self.attention.as_ref().map_or(0, |attention| {
            // Queries by keys, and their weights by values, over all heads.
            let products = 2 * self.shape.out_channels as u64 * positions * positions;
            attention.qkv.multiply_adds(positions) + products + attention.proj.multiply_adds(positions)
        });
        (convs + self.emb_linear.multiply_adds(1) + attention, resolution)
    }

    /// Fixes the weights for inference in `kind`; the embedding path stays in float32.
    pub fn freeze(&mut self, kind: Kind) {
        self.conv_res0.freeze(kind);
        self.emb_linear.freeze(Kind::Float);
        self.conv_res1.freeze(kind);
        if let Some(conv) = &mut self.conv_skip {
            conv.freeze(kind);
        }
        if let Some(attention) = &mut self.attention {
            attention.qkv.freeze(kind);
            attention.proj.freeze(kind);
        }
    }
}

/// Cosine self-attention over the positions of the image.
#[derive(Clone, Debug)]
pub(super) struct Attention {
    pub(super) heads: i64,
    pub(super) balance: f64,
    pub(super) qkv: MpConv,
    pub(super) proj: MpConv,
}

impl Attention {
    /// Its parts are named beside those of its block.
    fn new(at: &mut Scope, config: &NetConfig, channels: i64) -> Result<Self, ParamsError> {
        Ok(Self {
            heads: config.heads(channels),
            balance: config.attn_balance,
            qkv: MpConv::new(&mut at.pp("attn_qkv"), &[channels * 3, channels, 1, 1])?,
            proj: MpConv::new(&mut at.pp("attn_proj"), &[channels, channels, 1, 1])?,
        })
    }

    fn forward(&self, x: Tensor) -> Tensor {
        let y = self.proj.forward(&self.gathered(&self.qkv.forward(&x), &x));
        mp_sum(&x, &y, self.balance)
    }

    /// What each position gathers from all, of the shape of `x` `[N, C, H, W]` and as it lies in memory; `qkv` is
    /// `[N, 3·C, H, W]`.
    pub(super) fn gathered(&self, qkv: &Tensor, x: &Tensor) -> Tensor {
        // Matrix products want channels before positions.
        let y = self.mixed(&qkv.contiguous(), x);
        if is_channels_last(x) { channels_last(&y) } else { y }
    }

    fn mixed(&self, qkv: &Tensor, x: &Tensor) -> Tensor {
        let (n, c, h, w) = x.size4().expect("a block's activations are NCHW");
        let head_dim = c / self.heads;
        // q, k and v are interleaved in the second-to-last axis, not three contiguous thirds.
        let qkv = normalize(&qkv.reshape([n, self.heads, head_dim, 3, h * w]), &[2]);
        // In one go: of three selections autograd would make a whole gradient each, and add them up.
        let parts = qkv.unbind(3);
        let [q, k, v] = [0, 1, 2].map(|part| &parts[part]);
        let scores = q.transpose(2, 3).matmul(k) / (head_dim as f64).sqrt();
        v.matmul(&scores.softmax(3, None::<Kind>).transpose(2, 3)).reshape([n, c, h, w])
    }
}
