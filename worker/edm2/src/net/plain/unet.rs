//! The U-Net from one end to the other.

use tch::{Kind, Tensor};

use super::block::{Context, PlainBlock};
use super::embedding::{Condition, Embedding};
use super::fold::acting;
use crate::damage::Dropout;
use crate::dense::Input;
use crate::kernels::{Conv, Finish, Memory, Pack, Part, Shape, Source, Stencil, Storage, WIDTH};
use crate::net::block::{Block, Flavor};
use crate::net::ops::Resample;
use crate::net::unet::{Given, UNet};

/// The weights of a frozen [`UNet`], laid out for the CPU.
#[derive(Debug)]
pub struct PlainUNet {
    embedding: Embedding,
    /// Image channels; one more, the constant one, is read.
    channels: usize,
    conv_in: Conv,
    /// Each with where its `c` begins.
    enc: Vec<(PlainBlock, usize)>,
    dec: Vec<(PlainBlock, usize, bool)>,
    out_conv: Conv,
    memory: Memory,
}

/// A batch of images, `[N, C, H, W]` in row-major order, and how it is conditioned.
#[derive(Clone, Copy, Debug)]
struct Batch<'a> {
    shape: Shape,
    pixels: &'a [f32],
    conditions: &'a [Condition],
    dropout: Option<Dropout<'a>>,
}

impl PlainUNet {
    /// Whether it can stand for `unet`: other filters than that of the published nets are left to libtorch.
    pub fn knows(unet: &UNet) -> bool {
        unet.enc.iter().chain(unet.dec.iter().map(|step| &step.block)).all(|block| block.filter.is_box())
    }

    /// Takes the weights of `unet` as they act, and lets go of it block by block; `side` is the resolution of its images.
    pub fn new(unet: UNet, (side, storage): (usize, Storage)) -> Self {
        let blocks: Vec<&Block> = unet.enc.iter().chain(unet.dec.iter().map(|step| &step.block)).collect();
        let embedding = Embedding::new(&unet, &blocks, storage);
        let conv_in = acting(&unet.conv_in);
        let [width, inputs, _] = conv_in.shape;
        let mut builder = Builder { side, storage, at: 0, channels: width };
        let mut skips = vec![width];
        let enc = unet.enc.into_iter().map(|block| {
            let (plain, at) = builder.add(&block, None);
            skips.push(builder.channels);
            (plain, at)
        });
        let enc: Vec<_> = enc.collect();
        let dec = unet.dec.into_iter().map(|step| {
            let skip = step.takes_skip.then(|| (skips.pop().unwrap_or_default(), unet.concat_balance));
            let (plain, at) = builder.add(&step.block, skip);
            (plain, at, step.takes_skip)
        });
        let dec: Vec<_> = dec.collect();
        let out_conv = acting(&unet.out_conv);
        let (map, whole) = ((Shape { images: 1, height: side, width: side }, storage), (Stencil::SAME3, 1.0));
        Self {
            embedding,
            channels: inputs - 1,
            conv_in: Conv::new(&conv_in.kernel(&Input::plain(inputs), whole), map),
            enc,
            dec,
            out_conv: Conv::new(&out_conv.kernel(&Input::plain(builder.channels), whole), map),
            memory: Memory::default(),
        }
    }

    /// Embedding of the noise level alone, before the label is mixed in: `[N]` to `[N, emb]`.
    pub fn embed_noise(&self, sigma: &Tensor) -> Tensor {
        let row = |sigma| Tensor::from_slice(&self.embedding.noise_alone(c_noise(sigma)));
        let rows: Vec<Tensor> = floats(sigma).into_iter().map(row).collect();
        Tensor::stack(&rows, 0)
    }

    /// `x` `[N, C, H, W]` and `sigma` `[N]` to `[N, C, H, W]`.
    pub fn forward(&self, x: &Tensor, sigma: &Tensor, given: Given) -> Tensor {
        let (images, _, height, width) = x.size4().expect("images are NCHW");
        let shape = Shape { images: images as usize, height: height as usize, width: width as usize };
        let labels =
            given.labels.map(|labels| Vec::<i64>::try_from(labels).expect("labels are int64 on the CPU"));
        let label = |i: usize| labels.as_ref().map(|labels| labels[i]);
        let conditions: Vec<Condition> = (floats(sigma).into_iter().enumerate())
            .map(|(i, sigma)| Condition { c_noise: c_noise(sigma), label: label(i) })
            .collect();
        let mut out = vec![0.0; x.numel()];
        let (pixels, dropout) = (floats(x), given.dropout);
        self.run(Batch { shape, pixels: &pixels, conditions: &conditions, dropout }, &mut out);
        Tensor::from_slice(&out).reshape(x.size())
    }

    /// The U-Net's output, `[N, C, H, W]`, into `out`.
    fn run(&self, batch: Batch, out: &mut [f32]) {
        let memory = &self.memory;
        let (distinct, of) = distinct(batch.conditions);
        let table = self.embedding.of(&distinct);
        let stride = self.embedding.stride();
        let context = |at, layer| {
            let dropout = batch.dropout.map(|dropout| dropout.of_layer(layer));
            Context { memory, table: &table, stride, of: &of, at, dropout }
        };

        let mut input = memory.take(batch.shape.pixels() * (self.channels + 1).div_ceil(WIDTH));
        self.pack(batch, &mut input);
        let mut x = memory.take(batch.shape.pixels() * self.conv_in.panels());
        convolve(&self.conv_in, memory, (&input, batch.shape), &mut x);
        memory.give_back(input);
        let mut shape = batch.shape;
        let mut skips = vec![x];
        for (i, (block, at)) in self.enc.iter().enumerate() {
            let (y, after) = block.run(context(*at, i), &[&skips[skips.len() - 1]], shape);
            skips.push(y);
            shape = after;
        }
        // The first decoder block reads what the last encoder block leaves as a skip.
        let mut x = Vec::new();
        for (i, (block, at, takes_skip)) in self.dec.iter().enumerate() {
            let skip = if *takes_skip { skips.pop() } else { None };
            let first = if i == 0 { &skips[skips.len() - 1] } else { &x };
            let parts: Vec<&[Pack]> = std::iter::once(&first[..]).chain(skip.as_deref()).collect();
            let (y, after) = block.run(context(*at, self.enc.len() + i), &parts, shape);
            [skip, Some(std::mem::replace(&mut x, y))]
                .into_iter()
                .flatten()
                .for_each(|x| memory.give_back(x));
            shape = after;
        }
        let mut y = memory.take(shape.pixels() * self.channels.div_ceil(WIDTH));
        convolve(&self.out_conv, memory, (&x, shape), &mut y);
        self.unpack(&y, shape, out);
        memory.give_back(x);
        memory.give_back(y);
    }

    /// Channels last, with the constant one after them.
    fn pack(&self, batch: Batch, packs: &mut [Pack]) {
        let area = batch.shape.height * batch.shape.width;
        let per_pixel = packs.len() / batch.shape.pixels();
        for (i, pixel) in packs.chunks_mut(per_pixel).enumerate() {
            let (image, place) = (i / area, i % area);
            let values = pixel.as_flattened_mut();
            values.fill(0.0);
            values[self.channels] = 1.0;
            for (channel, value) in values[..self.channels].iter_mut().enumerate() {
                *value = batch.pixels[(image * self.channels + channel) * area + place];
            }
        }
    }

    fn unpack(&self, packs: &[Pack], shape: Shape, out: &mut [f32]) {
        let area = shape.height * shape.width;
        let per_pixel = packs.len() / shape.pixels();
        for (i, pixel) in packs.chunks(per_pixel).enumerate() {
            for (channel, value) in pixel.as_flattened()[..self.channels].iter().enumerate() {
                out[(i / area * self.channels + channel) * area + i % area] = *value;
            }
        }
    }
}

/// `ln(σ)/4`, the same whatever stands beside it, which torch's vectorised logarithm does not promise.
fn c_noise(sigma: f32) -> f32 {
    f64::from(sigma).ln() as f32 / 4.0
}

fn floats(tensor: &Tensor) -> Vec<f32> {
    Vec::try_from(tensor.to_kind(Kind::Float).reshape([-1])).expect("a tensor on the CPU")
}

fn convolve(conv: &Conv, memory: &Memory, (x, shape): (&[Pack], Shape), out: &mut [Pack]) {
    let part = [Part { data: x, packs: x.len() / shape.pixels(), factor: 1.0 }];
    conv.run(&memory.crew, &Source { shape, parts: &part, silu: false }, (out, &Finish::Store));
}

/// The distinct conditions, and which of them each image has.
fn distinct(conditions: &[Condition]) -> (Vec<Condition>, Vec<usize>) {
    let mut distinct: Vec<Condition> = Vec::new();
    let of = conditions.iter().map(|condition| {
        distinct.iter().position(|known| known == condition).unwrap_or_else(|| {
            distinct.push(*condition);
            distinct.len() - 1
        })
    });
    let of = of.collect();
    (distinct, of)
}

/// Follows resolution, channels and the blocks' places in the table of `c`.
struct Builder {
    side: usize,
    storage: Storage,
    at: usize,
    channels: usize,
}

impl Builder {
    /// `skip`: the channels beside x, and the balance of the two.
    fn add(&mut self, block: &Block, skip: Option<(usize, f64)>) -> (PlainBlock, usize) {
        match block.shape.resample {
            Resample::Keep => {}
            Resample::Down => self.side /= 2,
            Resample::Up => self.side *= 2,
        }
        debug_assert!(skip.is_none() || block.shape.flavor == Flavor::Dec);
        let inputs = match skip {
            None => Input::plain(self.channels).to_vec(),
            Some((channels, t)) => concatenated([self.channels, channels], t).to_vec(),
        };
        let plain = PlainBlock::new(block, &inputs, (self.side, self.storage));
        let at = self.at;
        self.at += plain.packs();
        self.channels = block.shape.out_channels as usize;
        (plain, at)
    }
}

/// mp_cat's factors; `t` is the share of the second.
fn concatenated([a, b]: [usize; 2], t: f64) -> [Input; 2] {
    let c = ((a + b) as f64 / ((1.0 - t).powi(2) + t.powi(2))).sqrt();
    let input =
        |channels: usize, share: f64| Input { channels, factor: c / (channels as f64).sqrt() * share };
    [input(a, 1.0 - t), input(b, t)]
}
