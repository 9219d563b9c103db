//! 3×3 convolutions by Winograd's F(4×4, 3×3) (arXiv 1509.09308): 36 multiplications where 144 would be.
//!
//! The interpolation points are 0, ±3/4, ±3/2 and ∞. With the usual 0, ±1, ±2, ∞ a net's forward pass would be three
//! times as far from float64 as a direct convolution is; with these it is as near.

use std::ops::Range;

use fearless_simd::prelude::*;

use super::conv::{Finish, Kernel};
use super::crew::Scratch;
use super::map::{Shape, Source, Stencil};
use super::packed::{Planes, Storage};
use super::product::{Lhs, Out, product};
use super::simd::{Pack, Vector, WIDTH, load, splat};

/// Pixels of a tile's side.
pub const TILE: usize = 4;
/// Pixels that a tile's side depends on.
const REACH: usize = TILE + 2;
/// Products per tile.
const PLANES: usize = REACH * REACH;

const A: f32 = 0.75;
const B: f32 = 1.5;
const A2: f32 = A * A;
const B2: f32 = B * B;

/// The transformed weights.
#[derive(Clone, Debug)]
pub struct Winograd {
    pub weight: Planes,
    pub stencil: Stencil,
}

impl Winograd {
    /// Transforms the weights in float64.
    pub fn new(kernel: &Kernel, storage: Storage) -> Self {
        let weight = Planes::new(kernel, (PLANES, storage), |taps, values| {
            values.iter_mut().zip(transformed(taps)).for_each(|(to, value)| *to = value as f32);
        });
        Self { weight, stencil: kernel.stencil }
    }

    /// Bytes of the weights in float32.
    pub const fn num_bytes(inputs: usize, panels: usize) -> usize {
        inputs * WIDTH * panels * PLANES * size_of::<Pack>()
    }

    /// Computes the rows of tiles `rows`, counted through all images, into `out`.
    #[inline(always)]
    pub fn block<S: Simd>(
        &self,
        simd: S,
        (source, rows): (&Source, Range<usize>),
        (out, finish, scratch): (&mut [Pack], &Finish, &mut Scratch),
    ) {
        let shape = self.stencil.out(source.shape);
        let (down, across) = (shape.height.div_ceil(TILE), shape.width.div_ceil(TILE));
        let tiles = rows.len() * across;
        let Scratch { window, input, output, starts, .. } = scratch;
        let panels = self.weight.panels;
        output.resize(PLANES * (tiles * panels + 1), [0.0; WIDTH]);
        for packs in self.weight.blocks() {
            // Planes a power of two apart would share one set of the cache.
            let plane_packs = tiles * packs.len() + 1;
            input.resize(PLANES * plane_packs, [0.0; WIDTH]);
            let mut row = rows.start;
            while row < rows.end {
                let together = (down - row % down).min(rows.end - row);
                let place = (row / down, row % down * TILE);
                let part = self.stencil.window(place, [together * TILE, across * TILE]);
                source.gather(simd, (part, packs.clone()), window);
                let tile = (row - rows.start) * across;
                forward(simd, (window, together, across), packs.len(), (input, tile, plane_packs));
                row += together;
            }
            starts.clear();
            starts.extend((0..tiles).map(|tile| tile * packs.len() * WIDTH));
            for plane in 0..PLANES {
                let data = input[plane * plane_packs..][..plane_packs].as_flattened();
                let lhs = Lhs { data, starts, shift: 0 };
                let at = plane * (tiles * panels + 1);
                let mut to = Out { packs: &mut output[at..], stride: panels, add: packs.start > 0 };
                product(simd, lhs, self.weight.plane(&packs, plane), &mut to);
            }
        }
        self.backward(simd, (output, shape, rows), (out, finish));
    }

    /// The pixels of all tiles, finished.
    #[inline(always)]
    fn backward<S: Simd>(
        &self,
        simd: S,
        (planes, shape, rows): (&[Pack], Shape, Range<usize>),
        (out, finish): (&mut [Pack], &Finish),
    ) {
        let Shape { height, width, .. } = shape;
        let (down, across) = (height.div_ceil(TILE), width.div_ceil(TILE));
        let plane_packs = rows.len() * across * self.weight.panels + 1;
        let first_pixel = |row: usize| (row / down * height + row % down * TILE) * width;
        for row in rows.clone() {
            let lines = TILE.min(height - row % down * TILE);
            for tile in 0..across {
                let columns = TILE.min(width - tile * TILE);
                let corner = first_pixel(row) - first_pixel(rows.start) + tile * TILE;
                for panel in 0..self.weight.panels {
                    let at = ((row - rows.start) * across + tile) * self.weight.panels + panel;
                    let pixels = untransformed(simd, planes, at, plane_packs);
                    for (line, pixels) in pixels.iter().enumerate().take(lines) {
                        for (column, pixel) in pixels.iter().enumerate().take(columns) {
                            let to = (corner + line * width + column) * self.weight.panels + panel;
                            finish.apply(simd, (*pixel, &mut out[to]), (row / down, panel));
                        }
                    }
                }
            }
        }
    }
}

/// `G g Gᵀ` of one filter.
fn transformed(taps: &[f32]) -> [f64; PLANES] {
    let (a, b) = (f64::from(A), f64::from(B));
    let polynomial = |p: f64, scale: f64| [1.0 / scale, p / scale, p * p / scale];
    let (near, far) = (2.0 * a * a * (a * a - b * b), 2.0 * b * b * (b * b - a * a));
    let rows = [
        polynomial(0.0, a * a * b * b),
        polynomial(a, near),
        polynomial(-a, near),
        polynomial(b, far),
        polynomial(-b, far),
        [0.0, 0.0, 1.0],
    ];
    std::array::from_fn(|plane| {
        let (down, across) = (rows[plane / REACH], rows[plane % REACH]);
        let tap = |i: usize| down[i / 3] * f64::from(taps[i]) * across[i % 3];
        (0..9).map(tap).sum()
    })
}

/// `factor · x + y`.
#[inline(always)]
fn times<S: Simd>(x: Vector<S>, factor: f32, y: Vector<S>) -> Vector<S> {
    x.mul_add(factor, y)
}

/// `Bᵀ d` of six values.
#[inline(always)]
fn analysis<S: Simd>(d: [Vector<S>; REACH]) -> [Vector<S>; REACH] {
    let (even_a, odd_a) = (times(d[2], -B2, d[4]), times(d[1], -B2, d[3]));
    let (even_b, odd_b) = (times(d[2], -A2, d[4]), times(d[1], -A2, d[3]));
    [
        times(d[0], A2 * B2, times(d[2], -(A2 + B2), d[4])),
        times(odd_a, A, even_a),
        times(odd_a, -A, even_a),
        times(odd_b, B, even_b),
        times(odd_b, -B, even_b),
        times(d[1], A2 * B2, times(d[3], -(A2 + B2), d[5])),
    ]
}

/// `Aᵀ m` of six values.
#[inline(always)]
fn synthesis<S: Simd>(m: [Vector<S>; REACH]) -> [Vector<S>; TILE] {
    let (even_a, odd_a) = (m[1] + m[2], m[1] - m[2]);
    let (even_b, odd_b) = (m[3] + m[4], m[3] - m[4]);
    [
        m[0] + even_a + even_b,
        times(odd_a, A, odd_b * B),
        times(even_a, A2, even_b * B2),
        times(odd_a, A * A2, times(odd_b, B * B2, m[5])),
    ]
}

/// `Bᵀ d B` of all tiles of a window, into the planes from `first` on.
#[allow(clippy::needless_range_loop, reason = "the compiler keeps in registers what constants index")]
#[inline(always)]
fn forward<S: Simd>(
    simd: S,
    (window, rows, across): (&[Pack], usize, usize),
    packs: usize,
    (planes, first, plane_packs): (&mut [Pack], usize, usize),
) {
    simd.vectorize(
        #[inline(always)]
        || {
            let columns = across * TILE + 2;
            for tile in 0..rows * across {
                let corner = (tile / across * TILE * columns + tile % across * TILE) * packs;
                for pack in 0..packs {
                    let mut half = [[splat(simd, 0.0); REACH]; REACH];
                    for (j, half) in half.iter_mut().enumerate() {
                        let mut d = [splat(simd, 0.0); REACH];
                        for (i, d) in d.iter_mut().enumerate() {
                            *d = load(simd, &window[corner + (i * columns + j) * packs + pack]);
                        }
                        *half = analysis(d);
                    }
                    let to = (first + tile) * packs + pack;
                    for i in 0..REACH {
                        let mut d = [splat(simd, 0.0); REACH];
                        for j in 0..REACH {
                            d[j] = half[j][i];
                        }
                        for (j, value) in analysis(d).iter().enumerate() {
                            planes[(i * REACH + j) * plane_packs + to] = value.to_array();
                        }
                    }
                }
            }
        },
    );
}

/// `Aᵀ m A` of one tile.
#[allow(clippy::needless_range_loop, reason = "the compiler keeps in registers what constants index")]
#[inline(always)]
fn untransformed<S: Simd>(
    simd: S,
    planes: &[Pack],
    at: usize,
    plane_packs: usize,
) -> [[Vector<S>; TILE]; TILE] {
    let mut half = [[splat(simd, 0.0); TILE]; REACH];
    for (j, half) in half.iter_mut().enumerate() {
        let mut m = [splat(simd, 0.0); REACH];
        for (i, m) in m.iter_mut().enumerate() {
            *m = load(simd, &planes[(i * REACH + j) * plane_packs + at]);
        }
        *half = synthesis(m);
    }
    let mut pixels = [[splat(simd, 0.0); TILE]; TILE];
    for (i, pixels) in pixels.iter_mut().enumerate() {
        let mut m = [splat(simd, 0.0); REACH];
        for j in 0..REACH {
            m[j] = half[j][i];
        }
        *pixels = synthesis(m);
    }
    pixels
}
