//! A block's self-attention.

use super::fold::{acting, sum_factors};
use crate::dense::Input;
use crate::kernels::{
    Finish, Heads, Memory, Pack, Panels, Part, Pixelwise, Shape, Source, Storage, WIDTH, attend, packs_of,
};
use crate::net::block::Attention;

/// Query, key and value of a head stand together in the file; here all heads' queries come first, then their keys, then
/// their values, each head in whole packs.
#[derive(Clone, Debug)]
pub struct PlainAttention {
    heads: Heads,
    keep: f32,
    qkv: Pixelwise,
    proj: Pixelwise,
}

impl PlainAttention {
    pub fn new(attention: &Attention, storage: Storage) -> Self {
        let proj = acting(&attention.proj);
        let channels = proj.shape[0];
        let heads = Heads { count: attention.heads as usize, dim: channels / attention.heads as usize };
        let (keep, share) = sum_factors(attention.balance);
        let wide = heads.packs() * WIDTH;
        let qkv = acting(&attention.qkv);
        let depth = packs_of(channels) * WIDTH;
        let weight = Panels::new(depth, 3 * heads.count * wide, |row, column| {
            let (part, head, i) = (column / (heads.count * wide), column / wide % heads.count, column % wide);
            if row < channels && i < heads.dim {
                qkv.at([(head * heads.dim + i) * 3 + part, row, 0])
            } else {
                0.0
            }
        });
        let inputs: Vec<Input> = vec![Input { channels: heads.dim, factor: 1.0 }; heads.count];
        let back = Panels::new(heads.count * wide, channels, |row, column| {
            let (head, i) = (row / wide, row % wide);
            if i < inputs[head].channels {
                (f64::from(proj.at([column, head * heads.dim + i, 0])) * share) as f32
            } else {
                0.0
            }
        });
        let [qkv, proj] = [weight, back].map(|weight| Pixelwise::new(vec![weight], storage));
        Self { heads, keep: keep as f32, qkv, proj }
    }

    /// `x` with its attention mixed in, clipped, in place.
    pub fn run(&self, memory: &Memory, x: &mut [Pack], (shape, clip): (Shape, f32)) {
        let (packs, row) = (x.len() / shape.pixels(), self.heads.count * self.heads.packs());
        let mut qkv = memory.take(shape.pixels() * 3 * row);
        let mut y = memory.take(shape.pixels() * row);
        let source = Source { shape, parts: &[Part { data: x, packs, factor: 1.0 }], silu: false };
        self.qkv.run(&memory.crew, &source, (&mut qkv, &Finish::Store));
        attend(&memory.crew, &mut qkv, &mut y, (shape, self.heads));
        let source = Source { shape, parts: &[Part { data: &y, packs: row, factor: 1.0 }], silu: false };
        self.proj.run(&memory.crew, &source, (x, &Finish::Add { keep: self.keep, clip }));
        memory.give_back(qkv);
        memory.give_back(y);
    }
}
