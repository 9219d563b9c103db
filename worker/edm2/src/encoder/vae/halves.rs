//! The decoder and the encoder proper.

use tch::Tensor;

use super::blocks::{Middle, ResBlock};
use super::config::VaeConfig;
use crate::layers::{Conv, Norm};
use crate::params::{ParamsError, Scope};

const PIXEL_CHANNELS: i64 = 3;

/// Residual blocks of one resolution, and the way to the next.
#[derive(Clone, Debug)]
struct Level {
    blocks: Vec<ResBlock>,
    resample: Option<Conv>,
}

impl Level {
    /// `resample` as `upsamplers`, where the level is not the last.
    fn new(at: &mut Scope, shape: &LevelShape, resample: Option<&str>) -> Result<Self, ParamsError> {
        let block = |i: i64| {
            let input = if i == 0 { shape.input } else { shape.out };
            ResBlock::new(&mut at.pp(format_args!("resnets.{i}")), shape.groups, [input, shape.out])
        };
        let blocks = (0..shape.num_blocks).map(block).collect::<Result<_, _>>()?;
        let resample = resample
            .map(|part| Conv::same(&mut at.pp(format_args!("{part}.0.conv")), [shape.out, shape.out, 3]))
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
    fn new(at: &mut Scope, groups: i64, [input, out]: [i64; 2]) -> Result<Self, ParamsError> {
        let norm = Norm::new(&mut at.pp("conv_norm_out"), input)?;
        let conv = Conv::same(&mut at.pp("conv_out"), [out, input, 3])?;
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
    pub fn new(root: &mut Scope, config: &VaeConfig) -> Result<Self, ParamsError> {
        let latent = config.latent_channels;
        let post_quant = Conv::same(&mut root.pp("post_quant_conv"), [latent, latent, 1])?;
        let mut at = root.pp("decoder");
        let conv_in = Conv::same(&mut at.pp("conv_in"), [config.lowest(), latent, 3])?;
        let middle = Middle::new(&mut at.pp("mid_block"), config)?;
        let mut levels = Vec::new();
        let mut input = config.lowest();
        for (i, &out) in config.block_out_channels.iter().rev().enumerate() {
            let (groups, num_blocks) = (config.norm_num_groups, config.layers_per_block + 1);
            let resample = (i + 1 < config.block_out_channels.len()).then_some("upsamplers");
            let shape = LevelShape { groups, num_blocks, input, out };
            levels.push(Level::new(&mut at.pp(format_args!("up_blocks.{i}")), &shape, resample)?);
            input = out;
        }
        let head = Head::new(&mut at, config.norm_num_groups, [input, PIXEL_CHANNELS])?;
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
    pub fn new(root: &mut Scope, config: &VaeConfig) -> Result<Self, ParamsError> {
        let mut input = config.block_out_channels[0];
        let mut at = root.pp("encoder");
        let conv_in = Conv::same(&mut at.pp("conv_in"), [input, PIXEL_CHANNELS, 3])?;
        let mut levels = Vec::new();
        for (i, &out) in config.block_out_channels.iter().enumerate() {
            let (groups, num_blocks) = (config.norm_num_groups, config.layers_per_block);
            let resample = (i + 1 < config.block_out_channels.len()).then_some("downsamplers");
            let shape = LevelShape { groups, num_blocks, input, out };
            let mut level = Level::new(&mut at.pp(format_args!("down_blocks.{i}")), &shape, resample)?;
            if let Some(conv) = &mut level.resample {
                (conv.stride, conv.padding) = (2, [0, 0]);
            }
            levels.push(level);
            input = out;
        }
        let middle = Middle::new(&mut at.pp("mid_block"), config)?;
        let moments = 2 * config.latent_channels;
        let head = Head::new(&mut at, config.norm_num_groups, [input, moments])?;
        let quant = Conv::same(&mut root.pp("quant_conv"), [moments, moments, 1])?;
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
