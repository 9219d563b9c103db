//! 3×3 convolutions tap by tap, for maps so small that Winograd's larger weights would cost more than they save.

use std::ops::Range;

use fearless_simd::prelude::*;

use super::conv::{BLOCK, Finish, Kernel3};
use super::crew::Scratch;
use super::map::{Shape, Source, Window};
use super::product::{Lhs, Out, Rhs, product};
use super::simd::{Pack, WIDTH, packs_of};

const TAPS: usize = 9;

/// The weights as they are.
#[derive(Clone, Debug)]
pub struct Direct {
    /// By block of inputs, tap, panel, input.
    packs: Vec<Pack>,
    inputs: usize,
    pub panels: usize,
}

impl Direct {
    pub fn new(kernel: &Kernel3) -> Self {
        let (inputs, panels) = (kernel.inputs, packs_of(kernel.outputs));
        let mut packs = vec![[0.0; WIDTH]; inputs * WIDTH * panels * TAPS];
        for output in 0..kernel.outputs {
            for input in 0..inputs * WIDTH {
                let block = input / WIDTH / BLOCK * BLOCK;
                let depth = BLOCK.min(inputs - block) * WIDTH;
                for (tap, value) in kernel.taps(output, input).iter().enumerate() {
                    let panel = tap * panels + output / WIDTH;
                    let at = block * WIDTH * panels * TAPS + panel * depth + input - block * WIDTH;
                    packs[at][output % WIDTH] = *value;
                }
            }
        }
        Self { packs, inputs, panels }
    }

    fn tap(&self, packs: &Range<usize>, tap: usize) -> Rhs<'_> {
        let depth = packs.len() * WIDTH;
        let at = packs.start * WIDTH * self.panels * TAPS + tap * self.panels * depth;
        Rhs { depth, packs: &self.packs[at..at + self.panels * depth] }
    }

    /// Computes the rows `rows`, counted through all images, into `out`.
    #[inline(always)]
    pub fn block<S: Simd>(
        &self,
        simd: S,
        (source, rows): (&Source, Range<usize>),
        (out, finish, scratch): (&mut [Pack], &Finish, &mut Scratch),
    ) {
        let Shape { height, width, .. } = source.shape;
        let pixels = rows.len() * width;
        let Scratch { window, input, output, starts, .. } = scratch;
        output.resize(pixels * self.panels, [0.0; WIDTH]);
        for first in (0..self.inputs).step_by(BLOCK) {
            let packs = first..self.inputs.min(first + BLOCK);
            input.clear();
            starts.clear();
            let mut row = rows.start;
            while row < rows.end {
                let together = (height - row % height).min(rows.end - row);
                let (image, top) = (row / height, row % height);
                let part = Window { image, top, rows: together + 2, columns: width + 2 };
                source.gather(simd, (part, packs.clone()), window);
                let pixel = |i: usize| i / width * (width + 2) + i % width;
                let before = input.len();
                let start = |i: usize| (before + pixel(i) * packs.len()) * WIDTH;
                starts.extend((0..together * width).map(start));
                input.extend_from_slice(window);
                row += together;
            }
            for tap in 0..TAPS {
                let shift = (tap / 3 * (width + 2) + tap % 3) * packs.len() * WIDTH;
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
