//! Cosine attention over the positions of an image (EDM2, appendix B).

use fearless_simd::{dispatch, prelude::*};

use super::crew::{Crew, Scratch};
use super::map::Shape;
use super::points::normalize_packs;
use super::product::{Lhs, Out, product};
use super::simd::{Pack, WIDTH, exp, level, load, packs_of, splat, sum};

/// Queries that are answered together.
const TOGETHER: usize = 48;

/// How the channels are shared out.
#[derive(Clone, Copy, Debug)]
pub struct Heads {
    pub count: usize,
    /// Channels of each.
    pub dim: usize,
}

impl Heads {
    /// Packs of one head's channels.
    pub const fn packs(self) -> usize {
        packs_of(self.dim)
    }
}

/// `qkv` `[N, H·W]` of 3 × heads × packs, which is normalized on the way, to `out` `[N, H·W]` of heads × packs.
pub fn attend(crew: &Crew, qkv: &mut [Pack], out: &mut [Pack], (shape, heads): (Shape, Heads)) {
    let positions = shape.height * shape.width;
    let (width, row) = (heads.packs(), heads.count * heads.packs());
    crew.run(qkv, (shape.images, |_| positions * 3 * row), |_, image, _| {
        dispatch!(level(), simd => {
            let query = 1.0 / (heads.dim as f64).sqrt();
            for (i, vector) in image.chunks_mut(width).enumerate() {
                let factor = if i % (3 * heads.count) < heads.count { query as f32 } else { 1.0 };
                normalize_packs(simd, vector, heads.dim, factor);
            }
        });
    });
    let qkv = &*qkv;
    crew.run(out, (shape.images, |_| positions * row), |image, out, scratch| {
        let qkv = &qkv[image * positions * 3 * row..][..positions * 3 * row];
        for head in 0..heads.count {
            dispatch!(level(), simd => one_head(simd, qkv, (out, head * width), (heads, scratch)));
        }
    });
}

#[inline(always)]
fn one_head<S: Simd>(
    simd: S,
    qkv: &[Pack],
    (out, at): (&mut [Pack], usize),
    (heads, scratch): (Heads, &mut Scratch),
) {
    let (width, row) = (heads.packs(), heads.count * heads.packs());
    let positions = out.len() / row;
    let Scratch { output, starts, input, panels: [keys, values], .. } = scratch;
    let flat = qkv.as_flattened();
    // The query times every key, so the keys stand in columns.
    keys.fill(heads.dim, positions, |i, key| flat[(key * 3 * row + row + at) * WIDTH + i]);
    values.fill_packs(positions, width, |key, panel| qkv[key * 3 * row + 2 * row + at + panel]);
    let across = packs_of(positions);
    for first in (0..positions).step_by(TOGETHER) {
        let queries = first..positions.min(first + TOGETHER);
        input.resize(queries.len() * across, [0.0; WIDTH]);
        output.resize(queries.len() * width, [0.0; WIDTH]);
        starts.clear();
        starts.extend(queries.clone().map(|query| (query * 3 * row + at) * WIDTH));
        let lhs = Lhs { data: flat, starts, shift: 0 };
        product(simd, lhs, keys.view(), &mut Out { packs: input, stride: across, add: false });
        starts.clear();
        starts.extend((0..queries.len()).map(|i| i * across * WIDTH));
        let mut sums = [1.0; TOGETHER];
        for (scores, sum) in input.chunks_mut(across).zip(&mut sums) {
            *sum = exponentials(simd, scores, positions);
        }
        let lhs = Lhs { data: input.as_flattened(), starts, shift: 0 };
        product(simd, lhs, values.view(), &mut Out { packs: output, stride: width, add: false });
        for (i, query) in queries.enumerate() {
            for panel in 0..width {
                let y = load(simd, &output[i * width + panel]) / splat(simd, sums[i]);
                out[query * row + at + panel] = y.to_array();
            }
        }
    }
}

/// Replaces scores by their exponentials and returns the sum. Cosines are bounded by √dim, so none can overflow.
#[inline(always)]
fn exponentials<S: Simd>(simd: S, scores: &mut [Pack], positions: usize) -> f32 {
    let mut total = splat(simd, 0.0);
    for (i, pack) in scores.iter_mut().enumerate() {
        *pack = exp(simd, load(simd, pack)).to_array();
        pack.iter_mut().skip(positions - i * WIDTH).for_each(|outside| *outside = 0.0);
        total += load(simd, pack);
    }
    sum(&total.to_array())
}
