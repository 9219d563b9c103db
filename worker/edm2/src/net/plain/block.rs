//! One encoder or decoder block.

use super::attention::PlainAttention;
use super::fold::{SILU_MAGNITUDE, acting, identity, sum_factors};
use crate::damage::{Dropout, LANES};
use crate::dense::{Dense, Input};
use crate::kernels::{
    Conv, Finish, Memory, Pack, Part, Pixelwise, Shape, Source, Stencil, Storage, double, halve, normalize,
    packs_of,
};
use crate::net::block::{Block, Flavor};
use crate::net::ops::Resample;

/// Weights with mp_silu's constant and the factors of mp_sum and mp_cat in them.
#[derive(Clone, Debug)]
pub struct PlainBlock {
    flavor: Flavor,
    resample: Resample,
    /// Factors of what it reads: of mp_cat in a decoder block that takes a skip.
    factors: Vec<f32>,
    skip: Option<Pixelwise>,
    res0: Conv,
    res1: Conv,
    channels: usize,
    /// Share of `x` in the sum with the residual; in `skip` already where the decoder has one.
    keep: f32,
    clip: f32,
    attention: Option<PlainAttention>,
}

/// What a block knows of an evaluation.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    pub memory: &'a Memory,
    /// `c` of all blocks: the rows of `of` are those of the images.
    pub table: &'a [Pack],
    pub stride: usize,
    pub of: &'a [usize],
    /// Where this block's begins.
    pub at: usize,
    /// Of this block.
    pub dropout: Option<Dropout<'a>>,
}

impl PlainBlock {
    /// `inputs` are the channels that it reads, `side` its resolution.
    pub fn new(block: &Block, inputs: &[Input], (side, storage): (usize, Storage)) -> Self {
        let decodes = block.shape.flavor == Flavor::Dec;
        let (keep, share) = sum_factors(block.res_balance);
        let (res0, res1) = (acting(&block.conv_res0), acting(&block.conv_res1));
        let channels = res1.shape[0];
        // The encoder normalizes after its skip layer, the decoder sums at once.
        let skip_factor = if decodes { keep } else { 1.0 };
        let skip = match &block.conv_skip {
            Some(layer) => Some(acting(layer).panels(inputs, skip_factor)),
            None if inputs.len() > 1 => Some(identity(inputs, skip_factor)),
            None => None,
        };
        let joined = decodes && skip.is_some();
        let hidden = Input::plain(channels);
        let bare: Vec<Input> = inputs.iter().map(|part| Input { factor: 1.0, ..*part }).collect();
        let read: &[Input] = if decodes { &bare } else { &hidden };
        let map = Shape { images: 1, height: side, width: side };
        let conv = |weight: &Dense, inputs: &[Input], factor| {
            Conv::new(&weight.kernel(inputs, (Stencil::SAME3, factor)), (map, storage))
        };
        Self {
            flavor: block.shape.flavor,
            resample: block.shape.resample,
            factors: inputs.iter().map(|part| part.factor as f32).collect(),
            skip: skip.map(|weights| Pixelwise::new(weights, storage)),
            res0: conv(&res0, read, 1.0 / SILU_MAGNITUDE),
            res1: conv(&res1, &hidden, share / SILU_MAGNITUDE),
            channels,
            keep: if joined { 1.0 } else { keep as f32 },
            clip: block.clip_act.map_or(f32::INFINITY, |clip| clip as f32),
            attention: block.attention.as_ref().map(|attention| PlainAttention::new(attention, storage)),
        }
    }

    /// Packs of a pixel of its output.
    pub fn packs(&self) -> usize {
        packs_of(self.channels)
    }

    /// Reads `parts` (one, or x and a skip) and returns its activation with the shape.
    pub fn run(&self, context: Context, parts: &[&[Pack]], shape: Shape) -> (Vec<Pack>, Shape) {
        let memory = context.memory;
        let resampled = self.resampled(memory, parts[0], shape);
        let shape = resampled.as_ref().map_or(shape, |(_, shape)| *shape);
        let first = resampled.as_ref().map_or(parts[0], |(x, _)| x);
        let data = |i: usize| if i == 0 { first } else { parts[i] };
        let read: Vec<Part> = (0..parts.len())
            .map(|i| Part { data: data(i), packs: data(i).len() / shape.pixels(), factor: self.factors[i] })
            .collect();
        let source = Source { shape, parts: &read, silu: true };

        let mut x = memory.take(shape.pixels() * self.packs());
        let mut y = memory.take(x.len());
        match &self.skip {
            Some(skip) => skip.run(&memory.crew, &source, (&mut x, &Finish::Store)),
            None => x.copy_from_slice(first),
        }
        let Context { table, stride, at, of, dropout, .. } = context;
        let scale = Finish::ScaleSilu { table, stride, at, of };
        if self.flavor == Flavor::Enc {
            normalize(&memory.crew, &mut x, (shape, self.channels));
            let of_x = [Part { data: &x, packs: self.packs(), factor: 1.0 }];
            let source = Source { parts: &of_x, ..source };
            self.res0.run(&memory.crew, &source, (&mut y, &scale));
        } else {
            self.res0.run(&memory.crew, &source, (&mut y, &scale));
        }
        if let Some(dropout) = dropout {
            self.drop(memory, &mut y, (shape, dropout));
        }
        let of_y = [Part { data: &y, packs: self.packs(), factor: 1.0 }];
        let source = Source { shape, parts: &of_y, silu: false };
        let clip = if self.attention.is_some() { f32::INFINITY } else { self.clip };
        self.res1.run(&memory.crew, &source, (&mut x, &Finish::Add { keep: self.keep, clip }));
        memory.give_back(y);
        if let Some((buffer, _)) = resampled {
            memory.give_back(buffer);
        }
        if let Some(attention) = &self.attention {
            attention.run(memory, &mut x, (shape, self.clip));
        }
        (x, shape)
    }

    fn drop(&self, memory: &Memory, y: &mut [Pack], (shape, dropout): (Shape, Dropout)) {
        let Shape { images, height, width } = shape;
        let (packs, groups) = (self.packs(), self.channels.div_ceil(LANES));
        memory.crew.run(y, (images * height, |_| width * packs), |line, row, _| {
            for (x, pixel) in row.chunks_mut(packs).enumerate() {
                let (image, pixel_of_image) = (line / height, line % height * width + x);
                let values = pixel.as_flattened_mut().chunks_mut(LANES).take(groups);
                for (group, values) in values.enumerate() {
                    let factors = dropout.factors(image, (pixel_of_image, group, groups));
                    values.iter_mut().zip(factors).for_each(|(value, factor)| *value *= factor);
                }
            }
        });
    }

    fn resampled(&self, memory: &Memory, x: &[Pack], shape: Shape) -> Option<(Vec<Pack>, Shape)> {
        let Shape { height, width, .. } = shape;
        match self.resample {
            Resample::Keep => None,
            Resample::Down => {
                let mut half = memory.take(x.len() / 4);
                halve(&memory.crew, x, &mut half, shape);
                Some((half, Shape { height: height / 2, width: width / 2, ..shape }))
            }
            Resample::Up => {
                let mut twice = memory.take(x.len() * 4);
                double(&memory.crew, x, &mut twice, shape);
                Some((twice, Shape { height: height * 2, width: width * 2, ..shape }))
            }
        }
    }
}
