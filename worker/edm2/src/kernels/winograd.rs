//! 3×3 convolutions by Winograd's method (arXiv 1509.09308), in tiles of either form.

use std::marker::PhantomData;
use std::ops::Range;

use fearless_simd::prelude::*;

use super::conv::{Finish, Kernel};
use super::crew::Scratch;
use super::forms::Form;
use super::map::{Shape, Source, Stencil};
use super::packed::{Planes, Storage};
use super::product::{Lhs, Out, product};
use super::simd::{Pack, Vector, WIDTH, load, splat};

/// The transformed weights: tiles of `T` by `T` pixels, each of which depends on `R` by `R`.
#[derive(Clone, Debug)]
pub struct Winograd<F, const T: usize, const R: usize> {
    pub weight: Planes,
    pub stencil: Stencil,
    form: PhantomData<F>,
}

impl<F: Form<T, R>, const T: usize, const R: usize> Winograd<F, T, R> {
    /// Pixels of a tile's side.
    pub const TILE: usize = T;
    /// Products per tile.
    const PLANES: usize = R * R;

    /// Transforms the weights in float64.
    pub fn new(kernel: &Kernel, storage: Storage) -> Self {
        let weight = Planes::new(kernel, (Self::PLANES, storage), |taps, values| {
            for (plane, to) in values.iter_mut().enumerate() {
                let (down, across) = (F::FILTER[plane / R], F::FILTER[plane % R]);
                let tap = |i: usize| down[i / 3] * f64::from(taps[i]) * across[i % 3];
                *to = (0..9).map(tap).sum::<f64>() as f32;
            }
        });
        Self { weight, stencil: kernel.stencil, form: PhantomData }
    }

    /// Bytes of the weights in float32.
    pub const fn num_bytes(inputs: usize, panels: usize) -> usize {
        inputs * WIDTH * panels * Self::PLANES * size_of::<Pack>()
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
        let (down, across) = (shape.height.div_ceil(T), shape.width.div_ceil(T));
        let tiles = rows.len() * across;
        let Scratch { window, input, output, starts, .. } = scratch;
        let panels = self.weight.panels;
        output.resize(Self::PLANES * (tiles * panels + 1), [0.0; WIDTH]);
        for packs in self.weight.blocks() {
            // Planes a power of two apart would share one set of the cache.
            let plane_packs = tiles * packs.len() + 1;
            input.resize(Self::PLANES * plane_packs, [0.0; WIDTH]);
            let mut row = rows.start;
            while row < rows.end {
                let together = (down - row % down).min(rows.end - row);
                let place = (row / down, row % down * T);
                let part = self.stencil.window(place, [together * T, across * T]);
                source.gather(simd, (part, packs.clone()), window);
                let tile = (row - rows.start) * across;
                forward::<S, F, T, R>(
                    simd,
                    (window, together, across),
                    packs.len(),
                    (input, tile, plane_packs),
                );
                row += together;
            }
            starts.clear();
            starts.extend((0..tiles).map(|tile| tile * packs.len() * WIDTH));
            for plane in 0..Self::PLANES {
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
        let (down, across) = (height.div_ceil(T), width.div_ceil(T));
        let plane_packs = rows.len() * across * self.weight.panels + 1;
        let first_pixel = |row: usize| (row / down * height + row % down * T) * width;
        for row in rows.clone() {
            let lines = T.min(height - row % down * T);
            for tile in 0..across {
                let columns = T.min(width - tile * T);
                let corner = first_pixel(row) - first_pixel(rows.start) + tile * T;
                for panel in 0..self.weight.panels {
                    let at = ((row - rows.start) * across + tile) * self.weight.panels + panel;
                    let pixels = untransformed::<S, F, T, R>(simd, planes, at, plane_packs);
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

/// `Bᵀ d B` of all tiles of a window, into the planes from `first` on.
#[allow(clippy::needless_range_loop, reason = "the compiler keeps in registers what constants index")]
#[inline(always)]
fn forward<S: Simd, F: Form<T, R>, const T: usize, const R: usize>(
    simd: S,
    (window, rows, across): (&[Pack], usize, usize),
    packs: usize,
    (planes, first, plane_packs): (&mut [Pack], usize, usize),
) {
    simd.vectorize(
        #[inline(always)]
        || {
            let columns = across * T + 2;
            for tile in 0..rows * across {
                let corner = (tile / across * T * columns + tile % across * T) * packs;
                for pack in 0..packs {
                    let mut half = [[splat(simd, 0.0); R]; R];
                    for (j, half) in half.iter_mut().enumerate() {
                        let mut d = [splat(simd, 0.0); R];
                        for (i, d) in d.iter_mut().enumerate() {
                            *d = load(simd, &window[corner + (i * columns + j) * packs + pack]);
                        }
                        *half = F::analysis(d);
                    }
                    let to = (first + tile) * packs + pack;
                    for i in 0..R {
                        let mut d = [splat(simd, 0.0); R];
                        for j in 0..R {
                            d[j] = half[j][i];
                        }
                        for (j, value) in F::analysis(d).iter().enumerate() {
                            planes[(i * R + j) * plane_packs + to] = value.to_array();
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
fn untransformed<S: Simd, F: Form<T, R>, const T: usize, const R: usize>(
    simd: S,
    planes: &[Pack],
    at: usize,
    plane_packs: usize,
) -> [[Vector<S>; T]; T] {
    let mut half = [[splat(simd, 0.0); T]; R];
    for (j, half) in half.iter_mut().enumerate() {
        let mut m = [splat(simd, 0.0); R];
        for (i, m) in m.iter_mut().enumerate() {
            *m = load(simd, &planes[(i * R + j) * plane_packs + at]);
        }
        *half = F::synthesis(m);
    }
    let mut pixels = [[splat(simd, 0.0); T]; T];
    for (i, pixels) in pixels.iter_mut().enumerate() {
        let mut m = [splat(simd, 0.0); R];
        for j in 0..R {
            m[j] = half[j][i];
        }
        *pixels = F::synthesis(m);
    }
    pixels
}
