//! Convolutions tap by tap: of any shape, and 3×3 on maps so small that Winograd's larger weights would cost more than
//! they save.

use std::ops::Range;

use fearless_simd::prelude::*;

use super::conv::{BLOCK, Finish, Kernel};
use super::crew::Scratch;
use super::map::{Shape, Source, Stencil};
use super::product::{Lhs, Out, Rhs, product};
use super::simd::{Pack, WIDTH, packs_of};

/// The weights as they are.
#[derive(Clone, Debug)]
pub struct Direct {
    /// By block of inputs, tap, panel, input.
    packs: Vec<Pack>,
    inputs: usize,
    pub panels: usize,
    pub stencil: Stencil,
}

impl Direct {
    pub fn new(kernel: &Kernel) -> Self {
        let (inputs, panels, stencil) = (kernel.inputs, packs_of(kernel.outputs), kernel.stencil);
        let taps = stencil.num_taps();
        let mut packs = vec![[0.0; WIDTH]; inputs * WIDTH * panels * taps];
        for output in 0..kernel.outputs {
            for input in 0..inputs * WIDTH {
                let block = input / WIDTH / BLOCK * BLOCK;
                let depth = BLOCK.min(inputs - block) * WIDTH;
                for (tap, value) in kernel.taps(output, input).iter().enumerate() {
                    let panel = tap * panels + output / WIDTH;
                    let at = block * WIDTH * panels * taps + panel * depth + input - block * WIDTH;
                    packs[at][output % WIDTH] = *value;
                }
            }
        }
        Self { packs, inputs, panels, stencil }
    }

    fn tap(&self, packs: &Range<usize>, tap: usize) -> Rhs<'_> {
        let depth = packs.len() * WIDTH;
        let at = packs.start * WIDTH * self.panels * self.stencil.num_taps() + tap * self.panels * depth;
        Rhs { depth, packs: &self.packs[at..at + self.panels * depth] }
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
        output.resize(rows.len() * width * self.panels, [0.0; WIDTH]);
        for first in (0..self.inputs).step_by(BLOCK) {
            let packs = first..self.inputs.min(first + BLOCK);
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
                let mut to = Out { packs: output, stride: self.panels, add: first > 0 || tap > 0 };
                product(simd, lhs, self.tap(&packs, tap), &mut to);
            }
        }
        for (i, (y, to)) in output.chunks(self.panels).zip(out.chunks_mut(self.panels)).enumerate() {
            finish.pixel(simd, (y, to), (rows.start * width + i, height * width));
        }
    }
}
