//! 3×3 convolutions with padding 1, and what is done with their outputs while these are at hand.

use fearless_simd::{dispatch, prelude::*};

use super::crew::Crew;
use super::direct::Direct;
use super::map::Source;
use super::simd::{Pack, Vector, WIDTH, level, load, packs_of, silu, splat};
use super::winograd::{TILE, Winograd};

/// Packs of inputs that are transformed and multiplied together: 128 channels.
pub const BLOCK: usize = 8;

/// A filter for each output and input, as it acts.
#[derive(Clone, Debug)]
pub struct Kernel3 {
    /// Packs of inputs.
    pub inputs: usize,
    /// Outputs.
    pub outputs: usize,
    /// `[outputs, 16·inputs, 3, 3]`.
    pub weight: Vec<f32>,
}

impl Kernel3 {
    pub fn taps(&self, output: usize, input: usize) -> &[f32] {
        let at = (output * self.inputs * WIDTH + input) * 9;
        &self.weight[at..at + 9]
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

/// A 3×3 convolution.
#[derive(Clone, Debug)]
pub enum Conv3 {
    Winograd(Winograd),
    Direct(Direct),
}

impl Conv3 {
    /// Chooses by the map that it will act on: a convolution over few pixels waits for its weights.
    pub fn new(kernel: &Kernel3, (height, width): (usize, usize)) -> Self {
        const CACHE: usize = 1 << 20;
        let large = Winograd::num_bytes(kernel.inputs, packs_of(kernel.outputs)) > CACHE;
        let tiles = height.div_ceil(TILE) * width.div_ceil(TILE);
        if large && tiles < 16 {
            Self::Direct(Direct::new(kernel))
        } else {
            Self::Winograd(Winograd::new(kernel))
        }
    }

    /// Packs of outputs.
    pub const fn panels(&self) -> usize {
        match self {
            Self::Winograd(conv) => conv.panels,
            Self::Direct(conv) => conv.panels,
        }
    }

    /// Convolves `source` into `out` `[N, H, W]` packs of outputs.
    pub fn run(&self, crew: &Crew, source: &Source, (out, finish): (&mut [Pack], &Finish)) {
        let shape = source.shape;
        let packs = self.panels();
        // Rows of the map that are computed together: in tiles, or in pixels.
        let (side, across, at_once) = match self {
            Self::Winograd(_) => (TILE, shape.width.div_ceil(TILE), 48),
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
                Self::Winograd(conv) => conv.block(simd, (source, of(i)), (out, finish, scratch)),
                Self::Direct(conv) => conv.block(simd, (source, of(i)), (out, finish, scratch)),
            });
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::map::{Part, Shape};
    use super::*;

    /// As its definition has it, in float64; the source is two parts, the second of 20 channels.
    fn expected(source: &Source, kernel: &Kernel3, [image, y, x, output]: [usize; 4]) -> f64 {
        let Shape { height, width, .. } = source.shape;
        let mut sum = 0.0;
        for tap in 0..9 {
            let (y, x) = ((y + tap / 3).wrapping_sub(1), (x + tap % 3).wrapping_sub(1));
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

    /// Sizes that tiles do not divide, blocks that end within an image, inputs of more than one block.
    #[test]
    fn both_ways_are_convolutions() {
        let shape = Shape { images: 3, height: 7, width: 10 };
        let [one, two] = [9, 2].map(|packs: usize| {
            let values = numbers(shape.pixels() * packs * WIDTH, packs);
            (packs, values.as_chunks().0.to_vec())
        });
        let parts =
            [(&one, 0.5), (&two, 1.5)].map(|((packs, data), factor)| Part { data, packs: *packs, factor });
        let kernel = Kernel3 { inputs: 11, outputs: 20, weight: numbers(20 * 11 * WIDTH * 9, 3) };
        for (silu, finish) in [(true, Finish::Store), (true, Finish::Add { keep: 0.5, clip: 12.0 })] {
            let source = Source { shape, parts: &parts, silu };
            for conv in [Conv3::Winograd(Winograd::new(&kernel)), Conv3::Direct(Direct::new(&kernel))] {
                let mut out = vec![[2.0; WIDTH]; shape.pixels() * 2];
                conv.run(&Crew::default(), &source, (&mut out, &finish));
                for place in 0..shape.pixels() * 20 {
                    let (pixel, output) = (place / 20, place % 20);
                    let at = [pixel / 70, pixel / 10 % 7, pixel % 10, output];
                    let mut expected = expected(&source, &kernel, at);
                    if let Finish::Add { .. } = finish {
                        expected = (expected + 1.0).clamp(-12.0, 12.0);
                    }
                    let found = f64::from(out[pixel * 2 + output / WIDTH][output % WIDTH]);
                    assert!((found - expected).abs() < 5e-5, "{at:?}: {found} for {expected}");
                }
            }
        }
    }

    #[test]
    fn large_weights_on_few_pixels_stay_as_they_are() {
        let kernel = Kernel3 { inputs: 16, outputs: 256, weight: vec![0.0; 256 * 256 * 9] };
        assert!(matches!(Conv3::new(&kernel, (8, 8)), Conv3::Direct(_)));
        assert!(matches!(Conv3::new(&kernel, (32, 32)), Conv3::Winograd(_)));
        let small = Kernel3 { inputs: 1, outputs: 16, weight: vec![0.0; 16 * 16 * 9] };
        assert!(matches!(Conv3::new(&small, (7, 7)), Conv3::Winograd(_)));
    }
}
