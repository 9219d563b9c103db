//! The U-Net of EDM2 (arXiv 2312.02696, figure 21, config G).

use fidelis_formats::net::NetConfig;
use tch::{Device, Kind, Tensor};

use super::block::{Block, BlockShape, Flavor};
use super::mp_conv::{MpConv, MpFourier};
use super::ops::{Resample, channels_last, mp_cat, mp_silu, mp_sum};
use crate::damage::Dropout;
use crate::params::{ParamsError, Scope};

/// What a net is given beside images and noise levels.
#[derive(Clone, Copy, Debug)]
pub struct Given<'a> {
    /// `[N]` class indices; none is the zero vector for a conditional net.
    pub labels: Option<&'a Tensor>,
    /// Damage of a frozen net; one that learns has its own dropout.
    pub dropout: Option<Dropout<'a>>,
}

#[derive(Clone, Debug)]
pub struct UNet {
    pub(super) label_dim: i64,
    pub(super) label_balance: f64,
    pub(super) concat_balance: f64,
    pub(super) emb_fourier: MpFourier,
    pub(super) emb_noise: MpConv,
    pub(super) emb_label: Option<MpConv>,
    pub(super) conv_in: MpConv,
    /// Until it is frozen.
    learns: bool,
    /// How activations lie in memory: as training on a CPU and tensor cores want them, without a copy in between.
    channels_last: bool,
    pub(super) enc: Vec<Block>,
    pub(super) dec: Vec<DecStep>,
    pub(super) out_conv: MpConv,
}

#[derive(Clone, Debug)]
pub(super) struct DecStep {
    pub(super) block: Block,
    pub(super) takes_skip: bool,
}

impl UNet {
    pub fn new(at: &mut Scope, config: &NetConfig) -> Result<Self, ParamsError> {
        let (noise, emb) = (config.noise_channels(), config.emb_channels());
        let top = config.levels()[0];
        let emb_fourier = MpFourier::new(&mut at.pp("emb_fourier"), noise)?;
        let emb_noise = MpConv::new(&mut at.pp("emb_noise"), &[emb, noise])?;
        let emb_label = (config.label_dim > 0)
            .then(|| MpConv::new(&mut at.pp("emb_label"), &[emb, config.label_dim]))
            .transpose()?;
        // The extra input channel is the constant one.
        let conv_in = MpConv::new(
            &mut at.pp(format_args!("enc.{0}x{0}_conv", top.0)),
            &[top.1, config.img_channels + 1, 3, 3],
        )?;
        let (enc, skips) = encoder(&mut at.pp("enc"), config)?;
        let dec = decoder(&mut at.pp("dec"), config, skips)?;
        let out_shape = [config.img_channels, top.1, 3, 3];
        let out_conv = MpConv::with_gain(at, ("out_conv", "out_gain"), &out_shape)?;
        Ok(Self {
            label_dim: config.label_dim,
            label_balance: config.label_balance,
            concat_balance: config.concat_balance,
            emb_fourier,
            emb_noise,
            emb_label,
            conv_in,
            learns: true,
            channels_last: at.device() == Device::Cpu,
            enc,
            dec,
            out_conv,
        })
    }

    /// `x` `[N, C, H, W]` in the net's type and `c_noise` `[N]` to `[N, C, H, W]`.
    pub fn forward(&self, x: &Tensor, c_noise: &Tensor, given: Given) -> Tensor {
        let emb = self.embed(c_noise, given.labels);
        let ones = x.narrow(1, 0, 1).ones_like();
        let mut x = Tensor::cat(&[x, &ones], 1);
        if self.channels_last {
            x = channels_last(&x);
        }
        let mut layers = 0..;
        let mut pass = |block: &Block, x: Tensor| {
            let dropout = given.dropout.zip(layers.next()).map(|(dropout, layer)| dropout.of_layer(layer));
            if self.learns { block.learn(x, &emb) } else { block.forward(x, &emb, dropout) }
        };
        x = self.conv_in.forward(&x);
        let mut skips = vec![x.shallow_clone()];
        for block in &self.enc {
            x = pass(block, x);
            skips.push(x.shallow_clone());
        }
        for step in &self.dec {
            if step.takes_skip {
                let skip = skips.pop().expect("the decoder takes as many skips as the encoder leaves");
                x = mp_cat(&x, &skip, self.concat_balance);
            }
            x = pass(&step.block, x);
        }
        self.out_conv.forward(&x)
    }

    /// Embedding of the noise level alone, before the label is mixed in: `[N]` to `[N, emb]`.
    pub fn embed_noise(&self, c_noise: &Tensor) -> Tensor {
        self.emb_noise.forward(&self.emb_fourier.forward(c_noise))
    }

    fn embed(&self, c_noise: &Tensor, labels: Option<&Tensor>) -> Tensor {
        let mut emb = self.embed_noise(c_noise);
        if let Some(emb_label) = &self.emb_label {
            let one_hot = match labels {
                Some(labels) => labels.one_hot(self.label_dim).to_kind(Kind::Float),
                None => Tensor::zeros([c_noise.size()[0], self.label_dim], (Kind::Float, c_noise.device())),
            };
            let label = emb_label.forward(&(one_hot * (self.label_dim as f64).sqrt()));
            emb = mp_sum(&emb, &label, self.label_balance);
        }
        mp_silu(&emb)
    }

    /// Multiply-adds for one image of `resolution` pixels along an edge.
    pub fn multiply_adds(&self, mut resolution: u64) -> u64 {
        let embedding = [Some(&self.emb_noise), self.emb_label.as_ref()];
        let mut sum: u64 = embedding.into_iter().flatten().map(|linear| linear.multiply_adds(1)).sum();
        let ends = [&self.conv_in, &self.out_conv];
        sum += ends.map(|conv| conv.multiply_adds(resolution * resolution)).iter().sum::<u64>();
        for block in self.enc.iter().chain(self.dec.iter().map(|step| &step.block)) {
            let (of_block, left) = block.multiply_adds(resolution);
            sum += of_block;
            resolution = left;
        }
        sum
    }

    /// Fixes the weights for inference in `kind`; the embedding path stays in float32. Half precision is kept and computed
    /// channels-last.
    pub fn freeze(&mut self, kind: Kind) {
        self.learns = false;
        self.channels_last = kind != Kind::Float;
        self.emb_noise.freeze(Kind::Float);
        if let Some(emb_label) = &mut self.emb_label {
            emb_label.freeze(Kind::Float);
        }
        self.conv_in.freeze(kind);
        self.enc.iter_mut().for_each(|block| block.freeze(kind));
        self.dec.iter_mut().for_each(|step| step.block.freeze(kind));
        self.out_conv.freeze(kind);
    }
}

/// The encoder's blocks, and the channels of every skip it leaves (the input convolution's first).
fn encoder(at: &mut Scope, config: &NetConfig) -> Result<(Vec<Block>, Vec<i64>), ParamsError> {
    let levels = config.levels();
    let mut channels = levels[0].1;
    let mut skips = vec![channels];
    let mut blocks = Vec::new();
    for (depth, &(res, width)) in levels.iter().enumerate() {
        let mut shape = BlockShape {
            in_channels: channels,
            out_channels: channels,
            flavor: Flavor::Enc,
            resample: Resample::Down,
            attention: false,
        };
        if depth > 0 {
            blocks.push(Block::new(&mut at.pp(format_args!("{res}x{res}_down")), config, shape)?);
            skips.push(channels);
        }
        shape.resample = Resample::Keep;
        shape.attention = config.attn_resolutions.contains(&res);
        for i in 0..config.num_blocks {
            shape = BlockShape { in_channels: channels, out_channels: width, ..shape };
            blocks.push(Block::new(&mut at.pp(format_args!("{res}x{res}_block{i}")), config, shape)?);
            channels = width;
            skips.push(channels);
        }
    }
    Ok((blocks, skips))
}

/// The decoder's steps, from the lowest level; `skips` are consumed from the end.
fn decoder(at: &mut Scope, config: &NetConfig, mut skips: Vec<i64>) -> Result<Vec<DecStep>, ParamsError> {
    let levels = config.levels();
    let mut channels = levels[levels.len() - 1].1;
    let mut steps = Vec::new();
    for (depth, &(res, width)) in levels.iter().enumerate().rev() {
        let keep = BlockShape {
            in_channels: channels,
            out_channels: channels,
            flavor: Flavor::Dec,
            resample: Resample::Keep,
            attention: false,
        };
        let entries: &[(&str, BlockShape)] = if depth == levels.len() - 1 {
            &[("in0", BlockShape { attention: true, ..keep }), ("in1", keep)]
        } else {
            &[("up", BlockShape { resample: Resample::Up, ..keep })]
        };
        for (suffix, shape) in entries {
            let block = Block::new(&mut at.pp(format_args!("{res}x{res}_{suffix}")), config, *shape)?;
            steps.push(DecStep { block, takes_skip: false });
        }
        for i in 0..=config.num_blocks {
            let skip = skips.pop().expect("the encoder leaves one skip for each decoder block");
            let attention = config.attn_resolutions.contains(&res);
            let shape = BlockShape { in_channels: channels + skip, out_channels: width, attention, ..keep };
            let block = Block::new(&mut at.pp(format_args!("{res}x{res}_block{i}")), config, shape)?;
            steps.push(DecStep { block, takes_skip: true });
            channels = width;
        }
    }
    Ok(steps)
}
