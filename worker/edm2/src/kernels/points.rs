//! What is done pixel by pixel.

use fearless_simd::{dispatch, prelude::*};

use super::crew::Crew;
use super::map::Shape;
use super::simd::{Pack, Vector, level, load, silu, splat, sum};

/// Keeps divisions by a vanishing norm finite.
const EPS: f32 = 1e-4;

/// Scales `packs` to a mean square of 1 over `channels` values (EDM2, equation 47), times `factor`.
#[inline(always)]
pub fn normalize_packs<S: Simd>(simd: S, packs: &mut [Pack], channels: usize, factor: f32) {
    let mut squares: Vector<S> = splat(simd, 0.0);
    for pack in &*packs {
        let x = load(simd, pack);
        squares = x.mul_add(x, squares);
    }
    let norm = sum(&squares.to_array()).sqrt();
    let scale = factor / (norm * (1.0 / (channels as f64).sqrt()) as f32 + EPS);
    for pack in packs {
        *pack = (load(simd, pack) * scale).to_array();
    }
}

/// Normalizes every pixel of `x` over its channels.
pub fn normalize(crew: &Crew, x: &mut [Pack], (shape, channels): (Shape, usize)) {
    let packs = x.len() / shape.pixels();
    let row = shape.width * packs;
    crew.run(x, (shape.images * shape.height, |_| row), |_, row, _| {
        dispatch!(level(), simd => {
            for pixel in row.chunks_mut(packs) {
                normalize_packs(simd, pixel, channels, 1.0);
            }
        });
    });
}

/// Means of 2×2 pixels: `shape` is that of `x`.
pub fn halve(crew: &Crew, x: &[Pack], out: &mut [Pack], shape: Shape) {
    let packs = x.len() / shape.pixels();
    let row = shape.width * packs;
    crew.run(out, (shape.images * shape.height / 2, |_| row / 2), |y, out, _| {
        dispatch!(level(), simd => {
            let (above, below) = x[2 * y * row..][..2 * row].split_at(row);
            for (i, out) in out.iter_mut().enumerate() {
                let at = i / packs * 2 * packs + i % packs;
                let above = load(simd, &above[at]) + load(simd, &above[at + packs]);
                let below = load(simd, &below[at]) + load(simd, &below[at + packs]);
                *out = ((above + below) * 0.25).to_array();
            }
        });
    });
}

/// Copies of every pixel to 2×2 pixels: `shape` is that of `x`.
pub fn double(crew: &Crew, x: &[Pack], out: &mut [Pack], shape: Shape) {
    let packs = x.len() / shape.pixels();
    let row = shape.width * packs;
    crew.run(out, (shape.images * shape.height * 2, |_| row * 2), |y, out, _| {
        let pixels = x[y / 2 * row..][..row].chunks(packs);
        for (two, pixel) in out.chunks_mut(packs * 2).zip(pixels) {
            two[..packs].copy_from_slice(pixel);
            two[packs..].copy_from_slice(pixel);
        }
    });
}

/// `silu` of every value.
pub fn silu_packs(packs: &mut [Pack]) {
    dispatch!(level(), simd => {
        for x in packs {
            *x = silu(simd, load(simd, x)).to_array();
        }
    });
}
