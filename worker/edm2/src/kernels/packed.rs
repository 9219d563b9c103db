//! Weights as they lie in memory: in float32, or rounded to bfloat16 with two panels in one word, which is half of what
//! has to be kept and read.

use std::ops::Range;

use fearless_simd::{prelude::*, u32x16};

use super::conv::{BLOCK, Kernel};
use super::product::Rhs;
use super::simd::{Pack, Vector, WIDTH, load, packs_of, splat};

/// One row of two neighbouring panels in bfloat16: the first's values in the lower halves.
pub type Pair = [u32; WIDTH];

/// How weights are kept; sums and activations are float32 either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Storage {
    #[default]
    Float,
    Bfloat,
}

/// Panel after panel, row after row.
#[derive(Clone, Debug)]
pub enum Packed {
    Float(Vec<Pack>),
    Bfloat(Vec<Pair>),
}

impl Default for Packed {
    fn default() -> Self {
        Self::Float(Vec::new())
    }
}

/// A part of them.
#[derive(Clone, Copy, Debug)]
pub enum Packs<'a> {
    Float(&'a [Pack]),
    Bfloat(&'a [Pair]),
}

impl Packed {
    /// Panels of one depth, joined two by two; the last may stay alone.
    pub fn join(panels: &[Pack], depth: usize) -> impl Iterator<Item = Pair> {
        panels.chunks(2 * depth).flat_map(move |two| {
            let (low, high) = two.split_at(depth);
            let high = move |row: usize| high.get(row).copied().unwrap_or_default();
            low.iter().enumerate().map(move |(row, low)| {
                let high = high(row);
                std::array::from_fn(|i| bfloat(low[i]) | bfloat(high[i]) << 16)
            })
        })
    }

    /// `panels` of so many rows; before them stand groups of as many panels, of `rows` rows together.
    fn part(&self, rows: usize, depth: usize, panels: usize) -> Packs<'_> {
        match self {
            Self::Float(packs) => Packs::Float(&packs[rows * panels..][..panels * depth]),
            Self::Bfloat(pairs) => {
                let panels = panels.div_ceil(2);
                Packs::Bfloat(&pairs[rows * panels..][..panels * depth])
            }
        }
    }
}

/// The upper half of the float32 nearest to `value`, ties to even; weights are finite.
fn bfloat(value: f32) -> u32 {
    let bits = value.to_bits();
    (bits + 0x7fff + (bits >> 16 & 1)) >> 16
}

/// Both panels' values of a row.
#[inline(always)]
pub fn split<S: Simd>(simd: S, pair: &Pair) -> [Vector<S>; 2] {
    let both = u32x16::load_array_ref(simd, pair);
    [Vector::from_bits(both << 16), Vector::from_bits(both & u32x16::splat(simd, 0xffff_0000))]
}

/// A right-hand side `[depth, columns]`, cut into panels of sixteen columns.
#[derive(Clone, Debug, Default)]
pub struct Panels {
    depth: usize,
    count: usize,
    packed: Packed,
}

impl Panels {
    /// Takes the values from `at(row, column)`; the last panel is filled up with zeros.
    pub fn new(depth: usize, columns: usize, at: impl Fn(usize, usize) -> f32) -> Self {
        let mut panels = Self::default();
        panels.fill(depth, columns, at);
        panels
    }

    /// The same into memory that is there already.
    pub fn fill(&mut self, depth: usize, columns: usize, at: impl Fn(usize, usize) -> f32) {
        self.fill_packs(depth, packs_of(columns), |row, panel| {
            std::array::from_fn(|i| {
                let column = panel * WIDTH + i;
                if column < columns { at(row, column) } else { 0.0 }
            })
        });
    }

    /// Panels of `[depth, 16·count]` whose rows are packs already: `at(row, panel)`.
    pub fn fill_packs(&mut self, depth: usize, count: usize, at: impl Fn(usize, usize) -> Pack) {
        let mut packs = match std::mem::take(&mut self.packed) {
            Packed::Float(packs) => packs,
            Packed::Bfloat(_) => Vec::new(),
        };
        packs.clear();
        for panel in 0..count {
            packs.extend((0..depth).map(|row| at(row, panel)));
        }
        *self = Self { depth, count, packed: Packed::Float(packs) };
    }

    /// The same weight, kept so.
    pub fn kept(self, storage: Storage) -> Self {
        let packed = match (self.packed, storage) {
            (Packed::Float(packs), Storage::Bfloat) => {
                Packed::Bfloat(Packed::join(&packs, self.depth).collect())
            }
            (packed, _) => packed,
        };
        Self { packed, ..self }
    }

    /// How many panels there are.
    pub fn count(&self) -> usize {
        self.count
    }

    pub fn view(&self) -> Rhs<'_> {
        Rhs { depth: self.depth, panels: self.count, packs: self.packed.part(0, self.depth, self.count) }
    }
}

/// A convolution's weight as so many products over the same inputs, which go [`BLOCK`] packs at a time: by block of
/// inputs, plane, panel, input.
#[derive(Clone, Debug)]
pub struct Planes {
    packed: Packed,
    inputs: usize,
    planes: usize,
    /// Packs of outputs.
    pub panels: usize,
}

impl Planes {
    /// `of` makes a filter's taps into `planes` values.
    pub fn new(
        kernel: &Kernel,
        (planes, storage): (usize, Storage),
        of: impl Fn(&[f32], &mut [f32]),
    ) -> Self {
        let (inputs, panels) = (kernel.inputs, packs_of(kernel.outputs));
        let mut packed = match storage {
            Storage::Float => Packed::Float(Vec::with_capacity(inputs * WIDTH * panels * planes)),
            Storage::Bfloat => {
                Packed::Bfloat(Vec::with_capacity(inputs * WIDTH * panels.div_ceil(2) * planes))
            }
        };
        for first in (0..inputs).step_by(BLOCK) {
            let depth = BLOCK.min(inputs - first) * WIDTH;
            let mut block = vec![[0.0; WIDTH]; planes * panels * depth];
            let mut values = vec![0.0; planes];
            for output in 0..kernel.outputs {
                for input in 0..depth {
                    of(kernel.taps(output, first * WIDTH + input), &mut values);
                    for (plane, value) in values.iter().enumerate() {
                        let panel = plane * panels + output / WIDTH;
                        block[panel * depth + input][output % WIDTH] = *value;
                    }
                }
            }
            match &mut packed {
                Packed::Float(packs) => packs.extend(block),
                Packed::Bfloat(pairs) => {
                    for plane in block.chunks(panels * depth) {
                        pairs.extend(Packed::join(plane, depth));
                    }
                }
            }
        }
        Self { packed, inputs, planes, panels }
    }

    /// The blocks of inputs, in packs.
    pub fn blocks(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let inputs = self.inputs;
        (0..inputs).step_by(BLOCK).map(move |first| first..inputs.min(first + BLOCK))
    }

    /// What a plane multiplies the inputs `packs` of a block by.
    pub fn plane(&self, packs: &Range<usize>, plane: usize) -> Rhs<'_> {
        let depth = packs.len() * WIDTH;
        let rows = packs.start * WIDTH * self.planes + plane * depth;
        Rhs { depth, panels: self.panels, packs: self.packed.part(rows, depth, self.panels) }
    }
}

/// Rows of panels, side by side.
pub trait Rows: Copy {
    fn depth(self) -> usize;
    /// All of one length, which shows the compiler that no row lies outside.
    fn cut(self, depth: usize) -> Self;
}

/// Panels as the products read them, `P` at once.
pub trait Columns<const P: usize>: Rows {
    fn row<S: Simd>(self, simd: S, k: usize) -> [Vector<S>; P];
}

/// Panels in float32.
impl<const P: usize> Rows for [&[Pack]; P] {
    #[inline(always)]
    fn depth(self) -> usize {
        self[0].len()
    }

    #[inline(always)]
    fn cut(self, depth: usize) -> Self {
        let mut panels: [&[Pack]; P] = [&[]; P];
        for p in 0..P {
            panels[p] = &self[p][..depth];
        }
        panels
    }
}

impl<const P: usize> Columns<P> for [&[Pack]; P] {
    #[inline(always)]
    fn row<S: Simd>(self, simd: S, k: usize) -> [Vector<S>; P] {
        let mut row = [splat(simd, 0.0); P];
        for p in 0..P {
            row[p] = load(simd, &self[p][k]);
        }
        row
    }
}

/// Two panels in bfloat16, of which the first (0) or the second (1) is read where it is not both.
#[derive(Clone, Copy)]
pub struct Joined<'a, const ONE: usize>(pub &'a [Pair]);

impl<const ONE: usize> Rows for Joined<'_, ONE> {
    #[inline(always)]
    fn depth(self) -> usize {
        self.0.len()
    }

    #[inline(always)]
    fn cut(self, depth: usize) -> Self {
        Self(&self.0[..depth])
    }
}

impl<const ONE: usize> Columns<1> for Joined<'_, ONE> {
    #[inline(always)]
    fn row<S: Simd>(self, simd: S, k: usize) -> [Vector<S>; 1] {
        [split(simd, &self.0[k])[ONE]]
    }
}

impl Columns<2> for Joined<'_, 0> {
    #[inline(always)]
    fn row<S: Simd>(self, simd: S, k: usize) -> [Vector<S>; 2] {
        split(simd, &self.0[k])
    }
}
