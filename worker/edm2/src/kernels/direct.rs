//! Convolutions tap by tap: of any shape, and 3×3 on maps so small that Winograd's larger weights would cost more than
//! they save.

use std::ops::Range;

use fearless_simd::prelude::*;

use super::conv::{Finish, Kernel};
use super::crew::Scratch;
use super::map::{Shape, Source, Stencil};
use super::packed::{Planes, Storage};
use super::product::{Lhs, Out, product};
use super::simd::{Pack, WIDTH};

/// The weights as they are.
#[derive(Clone, Debug)]
pub struct Direct {
    pub weight: Planes,
    pub stencil: Stencil,
}

impl Direct {
    pub fn new(kernel: &Kernel, storage: Storage) -> Self {
        let stencil = kernel.stencil;
        let weight =
            Planes::new(kernel, (stencil.num_taps(), storage), |taps, values| values.copy_from_slice(taps));
        Self { weight, stencil }
    }

    /// Computes the rows `rows` of outputs, counted through all images, into `out`.
    #[inline(always)]
    pub fn block<S: Simd>(
        &self,
        simd: S,
        (source, rows): (&Source, Range<usize>),
        (out, finish, scratch): (&mut [Pack], &Finish, &mut Scratch),
    ) {
        let Shape { height, width, .. } = self.stencil.out(source.shape);
        let stride = self.stencil.stride;
        let Scratch { window, input, output, starts, .. } = scratch;
        output.resize(rows.len() * width * self.weight.panels, [0.0; WIDTH]);
        for packs in self.weight.blocks() {
            input.clear();
            starts.clear();
            // Columns of every window.
            let mut columns = 0;
            let mut row = rows.start;
            while row < rows.end {
                let together = (height - row % height).min(rows.end - row);
                let part = self.stencil.window((row / height, row % height), [together, width]);
                columns = part.columns;
                source.gather(simd, (part, packs.clone()), window);
                let pixel = |i: usize| (i / width * columns + i % width) * stride;
                let before = input.len();
                let start = |i: usize| (before + pixel(i) * packs.len()) * WIDTH;
                starts.extend((0..together * width).map(start));
                input.extend_from_slice(window);
                row += together;
            }
            for tap in 0..self.stencil.num_taps() {
                let [down, right] = [tap / self.stencil.taps[1], tap % self.stencil.taps[1]];
                let shift = (down * columns + right) * packs.len() * WIDTH;
                let lhs = Lhs { data: input.as_flattened(), starts, shift };
                let mut to =
                    Out { packs: output, stride: self.weight.panels, add: packs.start > 0 || tap > 0 };
                product(simd, lhs, self.weight.plane(&packs, tap), &mut to);
            }
        }
        for (i, (y, to)) in
            output.chunks(self.weight.panels).zip(out.chunks_mut(self.weight.panels)).enumerate()
        {
            finish.pixel(simd, (y, to), (rows.start * width + i, height * width));
        }
    }
}
