//! Activations, and what a convolution reads of them.

use std::ops::Range;

use fearless_simd::prelude::*;

use super::simd::{Pack, WIDTH, load, silu};

/// The places of a batch of activations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    pub images: usize,
    pub height: usize,
    pub width: usize,
}

impl Shape {
    /// Pixels of all images.
    pub const fn pixels(self) -> usize {
        self.images * self.height * self.width
    }
}

/// One of the activations that are read as if they were concatenated.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    pub data: &'a [Pack],
    /// Packs of a pixel.
    pub packs: usize,
    /// What it is multiplied by before `silu`.
    pub factor: f32,
}

/// What a layer reads: parts side by side on the channels, with `silu` or without.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    pub shape: Shape,
    pub parts: &'a [Part<'a>],
    pub silu: bool,
}

/// Which pixels an output of a convolution or a pool depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stencil {
    /// Rows and columns.
    pub taps: [usize; 2],
    pub stride: usize,
    /// Pixels of zeros above and below, left and right.
    pub padding: [usize; 2],
}

impl Stencil {
    /// 3×3, the size stays.
    pub const SAME3: Self = Self { taps: [3, 3], stride: 1, padding: [1, 1] };

    pub const fn num_taps(self) -> usize {
        self.taps[0] * self.taps[1]
    }

    /// The places of the outputs.
    pub const fn out(self, shape: Shape) -> Shape {
        let Self { taps, stride, padding } = self;
        Shape {
            height: (shape.height + 2 * padding[0] - taps[0]) / stride + 1,
            width: (shape.width + 2 * padding[1] - taps[1]) / stride + 1,
            ..shape
        }
    }

    /// What so many rows and columns of outputs depend on, from row `top` of an image on.
    pub const fn window(self, (image, top): (usize, usize), [rows, columns]: [usize; 2]) -> Window {
        let Self { taps, stride, padding } = self;
        Window {
            image,
            top: (top * stride) as isize - padding[0] as isize,
            left: -(padding[1] as isize),
            rows: (rows - 1) * stride + taps[0],
            columns: (columns - 1) * stride + taps[1],
        }
    }
}

/// `rows` by `columns` pixels of an image from (`top`, `left`) on, which may lie outside of it.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    pub image: usize,
    pub top: isize,
    pub left: isize,
    pub rows: usize,
    pub columns: usize,
}

/// Which of `len` places from `from` on lie within 0 to `size`.
pub fn inside(from: isize, len: usize, size: usize) -> Range<usize> {
    let [first, end] = [from, from + len as isize].map(|place| place.clamp(0, size as isize) as usize);
    first..end
}

impl Source<'_> {
    /// Copies the packs `range` of a window's pixels, zeros where the image ends.
    #[inline(always)]
    pub fn gather<S: Simd>(&self, simd: S, (window, range): (Window, Range<usize>), out: &mut Vec<Pack>) {
        let Shape { height, width, .. } = self.shape;
        let columns = inside(window.left, window.columns, width);
        let zeros = |pixels: usize| std::iter::repeat_n([0.0; WIDTH], pixels * range.len());
        out.clear();
        for row in 0..window.rows {
            let y = window.top + row as isize;
            if y < 0 || y >= height as isize {
                out.extend(zeros(window.columns));
                continue;
            }
            let before = (columns.start as isize - window.left) as usize;
            out.extend(zeros(before));
            let first = (window.image * height + y as usize) * width;
            for x in columns.clone() {
                self.pixel(simd, (first + x, &range), out);
            }
            out.extend(zeros(window.columns - before - columns.len()));
        }
    }

    #[inline(always)]
    fn pixel<S: Simd>(&self, simd: S, (pixel, range): (usize, &Range<usize>), out: &mut Vec<Pack>) {
        let mut before = 0;
        for part in self.parts {
            let (from, to) = (range.start.max(before), range.end.min(before + part.packs));
            if from < to {
                let at = pixel * part.packs;
                let packs = &part.data[at + from - before..at + to - before];
                // Loops, since closures would not be compiled for the processor's instructions.
                if self.silu {
                    for x in packs {
                        out.push(silu(simd, load(simd, x) * part.factor).to_array());
                    }
                } else {
                    out.extend_from_slice(packs);
                }
            }
            before += part.packs;
        }
    }
}
