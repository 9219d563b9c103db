//! Convolutions, and what is done with their outputs while these are at hand.

use fearless_simd::{dispatch, prelude::*};

use super::crew::Crew;
use super::direct::Direct;
use super::forms::{Four, Two};
use super::map::{Shape, Source, Stencil};
use super::packed::Storage;
use super::simd::{Pack, Vector, WIDTH, level, load, packs_of, silu, splat};
use super::winograd::Winograd;

/// Packs of inputs that are transformed and multiplied together: 128 channels.
pub const BLOCK: usize = 8;

/// A filter for each output and input, as it acts.
#[derive(Clone, Debug)]
pub struct Kernel {
    pub stencil: Stencil,
    /// Packs of inputs.
    pub inputs: usize,
    /// Outputs.
    pub outputs: usize,
    /// `[outputs, 16·inputs, taps]`.
    pub weight: Vec<f32>,
}

impl Kernel {
    pub fn taps(&self, output: usize, input: usize) -> &[f32] {
        let taps = self.stencil.num_taps();
        let at = (output * self.inputs * WIDTH + input) * taps;
        &self.weight[at..at + taps]
    }
}

/// What becomes of a layer's output `y`.
#[derive(Clone, Copy, Debug)]
pub enum Finish<'a> {
    Store,
    /// `silu(y · c)`: row `of[image]` of `table`, whose rows are `stride` packs, has an image's `c` from `at` on.
    ScaleSilu {
        table: &'a [Pack],
        stride: usize,
        at: usize,
        of: &'a [usize],
    },
    /// `clip(keep · x + y)` in place of `x`.
    Add {
        keep: f32,
        clip: f32,
    },
    /// `max(y + bias, 0)`, a bias for each output.
    Rectify {
        bias: &'a [Pack],
    },
}

impl Finish<'_> {
    #[inline(always)]
    pub fn apply<S: Simd>(&self, simd: S, (y, to): (Vector<S>, &mut Pack), at: (usize, usize)) {
        let (image, panel) = at;
        *to = match *self {
            Finish::Store => y,
            Finish::ScaleSilu { table, stride, at, of } => {
                silu(simd, y * load(simd, &table[of[image] * stride + at + panel]))
            }
            Finish::Add { keep, clip } => {
                let sum = load(simd, to).mul_add(splat(simd, keep), y);
                sum.min(splat(simd, clip)).max(splat(simd, -clip))
            }
            Finish::Rectify { bias } => (y + load(simd, &bias[panel])).max(splat(simd, 0.0)),
        }
        .to_array();
    }

    /// All panels of one pixel, counted through all images, of which each has so many.
    #[inline(always)]
    pub fn pixel<S: Simd>(&self, simd: S, (y, to): (&[Pack], &mut [Pack]), place: (usize, usize)) {
        let (pixel, per_image) = place;
        for (panel, (y, to)) in y.iter().zip(to).enumerate() {
            self.apply(simd, (load(simd, y), to), (pixel / per_image, panel));
        }
    }
}

type ByFour = Winograd<Four, 4, 6>;
type ByTwo = Winograd<Two, 2, 4>;

/// A convolution.
#[derive(Clone, Debug)]
pub enum Conv {
    ByFour(ByFour),
    ByTwo(ByTwo),
    Direct(Direct),
}

impl Conv {
    /// Chooses by the map that it will act on: a convolution over few pixels waits for its weights, for half as long where
    /// they are half as large.
    pub fn new(kernel: &Kernel, (map, storage): (Shape, Storage)) -> Self {
        const CACHE: usize = 1 << 20;
        let large = ByFour::num_bytes(kernel.inputs, packs_of(kernel.outputs)) > CACHE;
        let Stencil { taps, stride, .. } = kernel.stencil;
        let out = kernel.stencil.out(map);
        let tiles = |side: usize| out.height.div_ceil(side) * out.width.div_ceil(side);
        if (taps, stride) != ([3, 3], 1) {
            Self::Direct(Direct::new(kernel, storage))
        } else if !large || tiles(ByFour::TILE) >= 16 {
            Self::ByFour(Winograd::new(kernel, storage))
        } else if storage == Storage::Bfloat && tiles(ByTwo::TILE) >= 16 {
            Self::ByTwo(Winograd::new(kernel, storage))
        } else {
            Self::Direct(Direct::new(kernel, storage))
        }
    }

    /// Packs of outputs.
    pub const fn panels(&self) -> usize {
        match self {
            Self::ByFour(conv) => conv.weight.panels,
            Self::ByTwo(conv) => conv.weight.panels,
            Self::Direct(conv) => conv.weight.panels,
        }
    }

    pub const fn stencil(&self) -> Stencil {
        match self {
            Self::ByFour(conv) => conv.stencil,
            Self::ByTwo(conv) => conv.stencil,
            Self::Direct(conv) => conv.stencil,
        }
    }

    /// Convolves `source` into `out` `[N, H', W']` packs of outputs.
    pub fn run(&self, crew: &Crew, source: &Source, (out, finish): (&mut [Pack], &Finish)) {
        let shape = self.stencil().out(source.shape);
        let packs = self.panels();
        // Rows of outputs that are computed together: in tiles, or in pixels.
        let (side, across, at_once) = match self {
            Self::ByFour(_) => (ByFour::TILE, shape.width.div_ceil(ByFour::TILE), 48),
            Self::ByTwo(_) => (ByTwo::TILE, shape.width.div_ceil(ByTwo::TILE), 64),
            Self::Direct(_) => (1, shape.width, 192),
        };
        let down = shape.height.div_ceil(side);
        let total = shape.images * down;
        let share = total.div_ceil(Crew::threads());
        let together = (at_once / across).min(share).max(1);
        let first_row = |row: usize| row / down * shape.height + (row % down * side).min(shape.height);
        let of = |i: usize| i * together..total.min((i + 1) * together);
        let size = |i: usize| (first_row(of(i).end) - first_row(of(i).start)) * shape.width * packs;
        crew.run(out, (total.div_ceil(together), size), |i, out, scratch| {
            dispatch!(level(), simd => match self {
                Self::ByFour(conv) => conv.block(simd, (source, of(i)), (out, finish, scratch)),
                Self::ByTwo(conv) => conv.block(simd, (source, of(i)), (out, finish, scratch)),
                Self::Direct(conv) => conv.block(simd, (source, of(i)), (out, finish, scratch)),
            });
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::map::Part;
    use super::*;

    /// As its definition has it, in float64; the source is two parts, the second of 20 channels.
    fn expected(source: &Source, kernel: &Kernel, [image, y, x, output]: [usize; 4]) -> f64 {
        let Shape { height, width, .. } = source.shape;
        let Stencil { taps, stride, padding } = kernel.stencil;
        let mut sum = 0.0;
        for tap in 0..kernel.stencil.num_taps() {
            let y = (y * stride + tap / taps[1]).wrapping_sub(padding[0]);
            let x = (x * stride + tap % taps[1]).wrapping_sub(padding[1]);
            if y >= height || x >= width {
                continue;
            }
            let pixel = (image * height + y) * width + x;
            let mut input = 0;
            for part in source.parts {
                for value in part.data[pixel * part.packs..][..part.packs].as_flattened() {
                    let value = f64::from(value * part.factor);
                    let value = if source.silu { value / (1.0 + (-value).exp()) } else { value };
                    sum += value * f64::from(kernel.taps(output, input)[tap]);
                    input += 1;
                }
            }
        }
        sum
    }

    fn numbers(len: usize, seed: usize) -> Vec<f32> {
        (0..len).map(|i| ((i * 7919 + seed) % 1009) as f32 / 504.5 - 1.0).collect()
    }

    fn packs(len: usize, seed: usize) -> Vec<Pack> {
        numbers(len * WIDTH, seed).as_chunks().0.to_vec()
    }

    /// What three images of two parts become of outputs that were 2, against the definition.
    fn check(conv: &Conv, kernel: &Kernel, (silu, finish): (bool, &Finish)) {
        let shape = Shape { images: 3, height: 7, width: 10 };
        let [one, two] = [9, 2].map(|count: usize| (count, packs(shape.pixels() * count, count)));
        let factors = if silu { [0.5, 1.5] } else { [1.0; 2] };
        let parts = [(&one, factors[0]), (&two, factors[1])].map(|((packs, data), factor)| Part {
            data,
            packs: *packs,
            factor,
        });
        let source = Source { shape, parts: &parts, silu };
        let after = kernel.stencil.out(shape);
        let mut out = vec![[2.0; WIDTH]; after.pixels() * 2];
        let tolerance = 5e-5 * (kernel.stencil.num_taps() as f64 / 9.0).max(1.0);
        conv.run(&Crew::default(), &source, (&mut out, finish));
        for place in 0..after.pixels() * 20 {
            let (pixel, output) = (place / 20, place % 20);
            let area = after.height * after.width;
            let at = [pixel / area, pixel % area / after.width, pixel % after.width, output];
            let y = expected(&source, kernel, at);
            let expected = match finish {
                Finish::Add { keep, clip } => {
                    (y + f64::from(2.0 * keep)).clamp(-f64::from(*clip), f64::from(*clip))
                }
                Finish::Rectify { bias } => (y + f64::from(bias[output / WIDTH][output % WIDTH])).max(0.0),
                _ => y,
            };
            let found = f64::from(out[pixel * 2 + output / WIDTH][output % WIDTH]);
            assert!(
                (found - expected).abs() < tolerance,
                "{:?} {at:?}: {found} for {expected}",
                kernel.stencil
            );
        }
    }

    fn kernel(stencil: Stencil) -> Kernel {
        Kernel { stencil, inputs: 11, outputs: 20, weight: numbers(20 * 11 * WIDTH * stencil.num_taps(), 3) }
    }

    /// Sizes that tiles do not divide, blocks that end within an image, inputs of more than one block.
    #[test]
    fn all_ways_are_convolutions() {
        for padding in [[1, 1], [0, 0]] {
            let kernel = kernel(Stencil { padding, ..Stencil::SAME3 });
            let ways = [
                Conv::ByFour(Winograd::new(&kernel, Storage::Float)),
                Conv::ByTwo(Winograd::new(&kernel, Storage::Float)),
                Conv::Direct(Direct::new(&kernel, Storage::Float)),
            ];
            for conv in ways {
                check(&conv, &kernel, (true, &Finish::Store));
                check(&conv, &kernel, (true, &Finish::Add { keep: 0.5, clip: 12.0 }));
            }
        }
    }

    #[test]
    fn convolutions_of_any_shape() {
        let bias = packs(2, 5);
        for (taps, stride, padding) in [
            ([1, 7], 1, [0, 3]),
            ([7, 1], 1, [3, 0]),
            ([5, 5], 1, [2, 2]),
            ([3, 3], 2, [0, 0]),
            ([2, 2], 1, [0, 0]),
            ([3, 1], 2, [1, 0]),
        ] {
            let kernel = kernel(Stencil { taps, stride, padding });
            let map = Shape { images: 1, height: 7, width: 10 };
            let conv = Conv::new(&kernel, (map, Storage::Float));
            assert!(matches!(conv, Conv::Direct(_)));
            check(&conv, &kernel, (false, &Finish::Rectify { bias: &bias }));
        }
    }

    #[test]
    fn large_weights_on_few_pixels_grow_less_or_stay_as_they_are() {
        let map = |side| (Shape { images: 1, height: side, width: side }, Storage::Float);
        let half = |side| (map(side).0, Storage::Bfloat);
        let of = |packs: usize| {
            let weight = vec![0.0; packs * packs * 256 * 9];
            Kernel { stencil: Stencil::SAME3, inputs: packs, outputs: packs * WIDTH, weight }
        };
        assert!(matches!(Conv::new(&of(16), map(8)), Conv::Direct(_)));
        assert!(matches!(Conv::new(&of(16), half(6)), Conv::Direct(_)));
        assert!(matches!(Conv::new(&of(16), half(8)), Conv::ByTwo(_)));
        assert!(matches!(Conv::new(&of(16), map(32)), Conv::ByFour(_)));
        assert!(matches!(Conv::new(&of(1), map(7)), Conv::ByFour(_)));
    }
}
