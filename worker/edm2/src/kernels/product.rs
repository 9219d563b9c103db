//! Products of a few rows with a packed weight.

use fearless_simd::prelude::*;

use super::simd::{Pack, Vector, WIDTH, load, packs_of, splat};

/// A right-hand side `[depth, columns]`, cut into panels of sixteen columns: panel after panel, row after row.
#[derive(Clone, Debug, Default)]
pub struct Panels {
    depth: usize,
    packs: Vec<Pack>,
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
        self.depth = depth;
        self.packs.clear();
        for panel in 0..packs_of(columns) {
            self.packs.extend((0..depth).map(|row| {
                std::array::from_fn(|i| {
                    let column = panel * WIDTH + i;
                    if column < columns { at(row, column) } else { 0.0 }
                })
            }));
        }
    }

    /// Panels of `[depth, 16·n]` whose rows are packs already: `at(row, panel)`.
    pub fn fill_packs(&mut self, depth: usize, panels: usize, at: impl Fn(usize, usize) -> Pack) {
        self.depth = depth;
        self.packs.clear();
        for panel in 0..panels {
            self.packs.extend((0..depth).map(|row| at(row, panel)));
        }
    }

    /// How many panels there are.
    pub fn count(&self) -> usize {
        self.packs.len() / self.depth.max(1)
    }

    pub fn view(&self) -> Rhs<'_> {
        Rhs { depth: self.depth, packs: &self.packs }
    }
}

/// Panels that lie in a larger buffer.
#[derive(Clone, Copy)]
pub struct Rhs<'a> {
    pub depth: usize,
    pub packs: &'a [Pack],
}

/// Rows of `depth` values that begin at `starts` of `data`.
#[derive(Clone, Copy)]
pub struct Lhs<'a> {
    pub data: &'a [f32],
    pub starts: &'a [usize],
    /// Where all of them begin beside that.
    pub shift: usize,
}

/// Where a product goes: rows of packs, `stride` packs apart.
pub struct Out<'a> {
    pub packs: &'a mut [Pack],
    pub stride: usize,
    /// Whether it is added to what is there: that is then the start of the chain.
    pub add: bool,
}

/// `lhs · rhs`: every value is one chain of multiply-adds, from the first of the depth to the last.
#[inline(always)]
pub fn product<S: Simd>(simd: S, lhs: Lhs, rhs: Rhs, out: &mut Out) {
    // Two panels fill the registers of AVX-512, one those of AVX2.
    let together = if S::f32s::LEN == WIDTH { 2 } else { 1 };
    for (i, pair) in rhs.packs.chunks(rhs.depth * together).enumerate() {
        let column = i * together;
        match pair.split_at_checked(rhs.depth) {
            Some((one, two)) if !two.is_empty() => panels_of(simd, lhs, [one, two], (out, column)),
            _ => panels_of(simd, lhs, [pair], (out, column)),
        }
    }
}

#[inline(always)]
fn panels_of<S: Simd, const P: usize>(simd: S, lhs: Lhs, rhs: [&[Pack]; P], to: (&mut Out, usize)) {
    let (out, column) = to;
    let mut row = 0;
    while row < lhs.starts.len() {
        let left = lhs.starts.len() - row;
        let to = (&mut out.packs[row * out.stride + column..], out.stride, out.add);
        let from = (lhs, row);
        // As many rows as leave the registers room.
        row += match S::f32s::LEN {
            16 if left >= 12 => tile::<S, 12, P>(simd, from, rhs, to),
            16 if left >= 8 => tile::<S, 8, P>(simd, from, rhs, to),
            8 if left >= 6 => tile::<S, 6, P>(simd, from, rhs, to),
            8 | 16 if left >= 4 => tile::<S, 4, P>(simd, from, rhs, to),
            _ if left >= 2 => tile::<S, 2, P>(simd, from, rhs, to),
            _ => tile::<S, 1, P>(simd, from, rhs, to),
        };
    }
}

/// `R` rows by `P` panels, in registers from beginning to end.
#[allow(clippy::needless_range_loop, reason = "the compiler keeps in registers what constants index")]
#[inline(always)]
fn tile<S: Simd, const R: usize, const P: usize>(
    simd: S,
    (lhs, row): (Lhs, usize),
    rhs: [&[Pack]; P],
    (out, stride, add): (&mut [Pack], usize, bool),
) -> usize {
    simd.vectorize(
        #[inline(always)]
        || {
            // All as long as the depth, which loops show the compiler and closures hide from it.
            let depth = rhs[0].len();
            let mut panels: [&[Pack]; P] = [&[]; P];
            for p in 0..P {
                panels[p] = &rhs[p][..depth];
            }
            let mut rows: [&[f32]; R] = [&[]; R];
            for r in 0..R {
                rows[r] = &lhs.data[lhs.starts[row + r] + lhs.shift..][..depth];
            }
            let mut sums: [[Vector<S>; P]; R] = [[splat(simd, 0.0); P]; R];
            if add {
                for (r, sums) in sums.iter_mut().enumerate() {
                    for (p, sum) in sums.iter_mut().enumerate() {
                        *sum = load(simd, &out[r * stride + p]);
                    }
                }
            }
            for k in 0..depth {
                let mut right: [Vector<S>; P] = [splat(simd, 0.0); P];
                for p in 0..P {
                    right[p] = load(simd, &panels[p][k]);
                }
                for r in 0..R {
                    let left = splat(simd, rows[r][k]);
                    for p in 0..P {
                        sums[r][p] = left.mul_add(right[p], sums[r][p]);
                    }
                }
            }
            for (r, sums) in sums.iter().enumerate() {
                for (p, sum) in sums.iter().enumerate() {
                    out[r * stride + p] = sum.to_array();
                }
            }
            R
        },
    )
}

#[cfg(test)]
mod tests {
    use fearless_simd::{Level, dispatch};

    use super::super::simd::level;
    use super::*;

    /// Every number of rows and of columns that is cut another way; the depth need not be whole packs.
    #[test]
    fn products_are_chains_in_order() {
        let (depth, stride) = (37, 3);
        let data: Vec<f32> = (0..40 * depth).map(|i| ((i * 7919) % 101) as f32 / 50.0 - 1.0).collect();
        let value = |k: usize, n: usize| ((k * 31 + n * 17) % 23) as f32 / 11.0 - 1.0;
        for (rows, columns) in [(1, 1), (3, 16), (13, 17), (31, 33), (40, 48)] {
            let panels = Panels::new(depth, columns, value);
            let starts: Vec<usize> = (0..rows).rev().map(|r| r * depth).collect();
            let mut found = vec![[1.0; WIDTH]; rows * stride];
            let lhs = Lhs { data: &data, starts: &starts, shift: 0 };
            let mut out = Out { packs: &mut found, stride, add: true };
            dispatch!(level(), simd => product(simd, lhs, panels.view(), &mut out));
            for r in 0..rows {
                for n in 0..columns {
                    let mut expected = 1.0_f32;
                    for k in 0..depth {
                        expected = data[starts[r] + k].mul_add(value(k, n), expected);
                    }
                    let found = found[r * stride + n / WIDTH][n % WIDTH];
                    assert!((found - expected).abs() < 1e-5, "{rows}x{columns} at {r},{n}");
                    if matches!(level(), Level::Avx2(_) | Level::Avx512(_)) {
                        assert_eq!(found, expected);
                    }
                }
            }
        }
    }
}
