//! 1×1 convolutions.

use fearless_simd::dispatch;

use super::conv::Finish;
use super::crew::{Crew, Scratch};
use super::map::Source;
use super::packed::{Panels, Storage};
use super::product::{Lhs, Out, product};
use super::simd::{Pack, WIDTH, level};

/// Pixels that are multiplied together.
const TOGETHER: usize = 48;

/// A weight for each part of the source; their factors are in it.
#[derive(Clone, Debug)]
pub struct Pixelwise(Vec<Panels>);

impl Pixelwise {
    pub fn new(weights: Vec<Panels>, storage: Storage) -> Self {
        Self(weights.into_iter().map(|panels| panels.kept(storage)).collect())
    }

    /// Applies it to every pixel of `source`, whose factors are not looked at, into `out`.
    pub fn run(&self, crew: &Crew, source: &Source, (out, finish): (&mut [Pack], &Finish)) {
        let shape = source.shape;
        let panels = self.0[0].count();
        let pixels = shape.pixels();
        let of = |i: usize| i * TOGETHER..pixels.min((i + 1) * TOGETHER);
        let size = |i: usize| of(i).len() * panels;
        crew.run(out, (pixels.div_ceil(TOGETHER), size), |i, out, scratch| {
            dispatch!(level(), simd => {
                let Scratch { output, starts, .. } = scratch;
                output.resize(of(i).len() * panels, [0.0; WIDTH]);
                for (n, (weight, part)) in self.0.iter().zip(source.parts).enumerate() {
                    starts.clear();
                    starts.extend(of(i).map(|pixel| pixel * part.packs * WIDTH));
                    let lhs = Lhs { data: part.data.as_flattened(), starts, shift: 0 };
                    let mut to = Out { packs: output, stride: panels, add: n > 0 };
                    product(simd, lhs, weight.view(), &mut to);
                }
                for (n, (y, to)) in output.chunks(panels).zip(out.chunks_mut(panels)).enumerate() {
                    finish.pixel(simd, (y, to), (i * TOGETHER + n, shape.height * shape.width));
                }
            });
        });
    }
}
