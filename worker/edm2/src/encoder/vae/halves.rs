//! The decoder and the encoder proper.

use tch::Tensor;

use super::blocks::{Middle, ResBlock};
use super::config::VaeConfig;
use crate::layers::{Conv, Norm};
use crate::weights::{Weights, WeightsError};

const PIXEL_CHANNELS: i64 = 3;

/// Residual blocks of one resolution, and the way to the next.
#[derive(Clone, Debug)]
struct Level {
    blocks: Vec<ResBlock>,
    resample: Option<Conv>,
}

impl Level {
    /// `name` as `decoder.up_blocks.0`; `resample` as `upsamplers`, where the level is not the last.
    fn new(
        weights: &mut Weights,
        name: &str,
        shape: &LevelShape,
        resample: Option<&str>,
    ) -> Result<Self, WeightsError> {
        let block = |i: i64| {
            let input = if i == 0 { shape.input } else { shape.out };
            ResBlock::new(weights, &format!("{name}.resnets.{i}"), shape.groups, [input, shape.out])
        };
        let blocks = (0..shape.num_blocks).map(block).collect::<Result<_, _>>()?;
        let resample = resample
            .map(|part| Conv::same(weights, &format!("{name}.{part}.0.conv"), [shape.out, shape.out, 3]))
            .transpose()?;
        Ok(Self { blocks, resample })
    }

    fn forward(&self, x: Tensor) -> Tensor {
        self.blocks.iter().fold(x, |x, block| block.forward(&x))
    }
}

struct LevelShape {
    groups: i64,
    num_blocks: i64,
    input: i64,
    out: i64,
}

/// The last normalization and convolution.
#[derive(Clone, Debug)]
struct Head {
    groups: i64,
    norm: Norm,
    conv: Conv,
}

impl Head {
    fn new(
        weights: &mut Weights,
        half: &str,
        groups: i64,
        [input, out]: [i64; 2],
    ) -> Result<Self, WeightsError> {
        let norm = Norm::new(weights, &format!("{half}.conv_norm_out"), input)?;
        let conv = Conv::same(weights, &format!("{half}.conv_out"), [out, input, 3])?;
        Ok(Self { groups, norm, conv })
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        self.conv.forward(&self.norm.groups(x, self.groups).silu())
    }
}

/// From raw latents to pixels.
#[derive(Clone, Debug)]
pub struct Decoder {
    post_quant: Conv,
    conv_in: Conv,
    middle: Middle,
    levels: Vec<Level>,
    head: Head,
}

impl Decoder {
    pub fn new(weights: &mut Weights, config: &VaeConfig) -> Result<Self, WeightsError> {
        let latent = config.latent_channels;
        let post_quant = Conv::same(weights, "post_quant_conv", [latent, latent, 1])?;
        let conv_in = Conv::same(weights, "decoder.conv_in", [config.lowest(), latent, 3])?;
        let middle = Middle::new(weights, "decoder", config)?;
        let mut levels = Vec::new();
        let mut input = config.lowest();
        for (i, &out) in config.block_out_channels.iter().rev().enumerate() {
            let (groups, num_blocks) = (config.norm_num_groups, config.layers_per_block + 1);
            let resample = (i + 1 < config.block_out_channels.len()).then_some("upsamplers");
            let shape = LevelShape { groups, num_blocks, input, out };
            levels.push(Level::new(weights, &format!("decoder.up_blocks.{i}"), &shape, resample)?);
            input = out;
        }
        let head = Head::new(weights, "decoder", config.norm_num_groups, [input, PIXEL_CHANNELS])?;
        Ok(Self { post_quant, conv_in, middle, levels, head })
    }

    /// `[N, latent, h, w]` to `[N, 3, H, W]`.
    pub fn forward(&self, raw: &Tensor) -> Tensor {
        let x = self.middle.forward(&self.conv_in.forward(&self.post_quant.forward(raw)));
        let x = self.levels.iter().fold(x, |x, level| {
            let x = level.forward(x);
            match &level.resample {
                Some(conv) => {
                    conv.forward(&x.upsample_nearest2d([x.size()[2] * 2, x.size()[3] * 2], None, None))
                }
                None => x,
            }
        });
        self.head.forward(&x)
    }
}

/// From pixels to the mean and logarithmic variance of the posterior.
#[derive(Clone, Debug)]
pub struct PixelEncoder {
    conv_in: Conv,
    levels: Vec<Level>,
    middle: Middle,
    head: Head,
    quant: Conv,
}

impl PixelEncoder {
    pub fn new(weights: &mut Weights, config: &VaeConfig) -> Result<Self, WeightsError> {
        let mut input = config.block_out_channels[0];
        let conv_in = Conv::same(weights, "encoder.conv_in", [input, PIXEL_CHANNELS, 3])?;
        let mut levels = Vec::new();
        for (i, &out) in config.block_out_channels.iter().enumerate() {
            let (groups, num_blocks) = (config.norm_num_groups, config.layers_per_block);
            let resample = (i + 1 < config.block_out_channels.len()).then_some("downsamplers");
            let shape = LevelShape { groups, num_blocks, input, out };
            let mut level = Level::new(weights, &format!("encoder.down_blocks.{i}"), &shape, resample)?;
            if let Some(conv) = &mut level.resample {
                (conv.stride, conv.padding) = (2, [0, 0]);
            }
            levels.push(level);
            input = out;
        }
        let middle = Middle::new(weights, "encoder", config)?;
        let moments = 2 * config.latent_channels;
        let head = Head::new(weights, "encoder", config.norm_num_groups, [input, moments])?;
        let quant = Conv::same(weights, "quant_conv", [moments, moments, 1])?;
        Ok(Self { conv_in, levels, middle, head, quant })
    }

    /// `[N, 3, H, W]` to `[N, 2·latent, h, w]`: the means, then the logarithmic variances.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let x = self.levels.iter().fold(self.conv_in.forward(x), |x, level| {
            let x = level.forward(x);
            match &level.resample {
                // Right and bottom only.
                Some(conv) => conv.forward(&x.constant_pad_nd([0, 1, 0, 1])),
                None => x,
            }
        });
        self.quant.forward(&self.head.forward(&self.middle.forward(&x)))
    }
}
