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

/// A part of an image with what surrounds it: `rows` by `columns` pixels whose first is at (`top` − 1, −1), so that the
/// first row and column are the padding where `top` is 0.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    pub image: usize,
    pub top: usize,
    pub rows: usize,
    pub columns: usize,
}

impl Source<'_> {
    /// Copies the packs `range` of a window's pixels, zeros where the image ends.
    #[inline(always)]
    pub fn gather<S: Simd>(&self, simd: S, (window, range): (Window, Range<usize>), out: &mut Vec<Pack>) {
        let Shape { height, width, .. } = self.shape;
        out.clear();
        for row in 0..window.rows {
            let y = (window.top + row).wrapping_sub(1);
            let inside = if y < height { width.min(window.columns - 1) } else { 0 };
            if inside > 0 {
                out.extend(std::iter::repeat_n([0.0; WIDTH], range.len()));
                let first = (window.image * height + y) * width;
                for pixel in first..first + inside {
                    self.pixel(simd, (pixel, &range), out);
                }
            }
            let filled = if inside > 0 { inside + 1 } else { 0 };
            out.extend(std::iter::repeat_n([0.0; WIDTH], (window.columns - filled) * range.len()));
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
