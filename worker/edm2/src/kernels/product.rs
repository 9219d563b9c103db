//! Products of a few rows with a packed weight.

use fearless_simd::prelude::*;

use super::packed::{Columns, Joined, Packs};
use super::simd::{Pack, Vector, WIDTH, load, splat};

/// Panels that lie in a larger buffer.
#[derive(Clone, Copy)]
pub struct Rhs<'a> {
    pub depth: usize,
    pub panels: usize,
    pub packs: Packs<'a>,
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
    let wide = S::f32s::LEN == WIDTH;
    let depth = rhs.depth;
    match rhs.packs {
        Packs::Float(packs) => {
            let together = if wide { 2 } else { 1 };
            for (i, pair) in packs.chunks(depth * together).enumerate() {
                let to = (&mut *out, i * together);
                match pair.split_at_checked(depth) {
                    Some((one, two)) if !two.is_empty() => panels_of(simd, lhs, [one, two], to),
                    _ => panels_of(simd, lhs, [pair], to),
                }
            }
        }
        Packs::Bfloat(pairs) => {
            for (i, pair) in pairs.chunks(depth).enumerate() {
                let two = 2 * i + 1 < rhs.panels;
                if wide && two {
                    panels_of::<S, _, 2>(simd, lhs, Joined::<0>(pair), (&mut *out, 2 * i));
                } else {
                    panels_of::<S, _, 1>(simd, lhs, Joined::<0>(pair), (&mut *out, 2 * i));
                    if two {
                        panels_of::<S, _, 1>(simd, lhs, Joined::<1>(pair), (&mut *out, 2 * i + 1));
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn panels_of<S: Simd, C: Columns<P>, const P: usize>(simd: S, lhs: Lhs, rhs: C, to: (&mut Out, usize)) {
    let (out, column) = to;
    let rows = lhs.starts.len();
    // As many rows as leave the registers room, and no tile much smaller than another.
    let most = match S::f32s::LEN {
        16 => 14,
        8 => 6,
        _ => 2,
    };
    let tiles = rows.div_ceil(most);
    for i in 0..tiles {
        let (row, end) = (rows * i / tiles, rows * (i + 1) / tiles);
        let to = (&mut out.packs[row * out.stride + column..], out.stride, out.add);
        let from = (lhs, row);
        match end - row {
            14 => tile::<S, C, 14, P>(simd, from, rhs, to),
            13 => tile::<S, C, 13, P>(simd, from, rhs, to),
            12 => tile::<S, C, 12, P>(simd, from, rhs, to),
            11 => tile::<S, C, 11, P>(simd, from, rhs, to),
            10 => tile::<S, C, 10, P>(simd, from, rhs, to),
            9 => tile::<S, C, 9, P>(simd, from, rhs, to),
            8 => tile::<S, C, 8, P>(simd, from, rhs, to),
            7 => tile::<S, C, 7, P>(simd, from, rhs, to),
            6 => tile::<S, C, 6, P>(simd, from, rhs, to),
            5 => tile::<S, C, 5, P>(simd, from, rhs, to),
            4 => tile::<S, C, 4, P>(simd, from, rhs, to),
            3 => tile::<S, C, 3, P>(simd, from, rhs, to),
            2 => tile::<S, C, 2, P>(simd, from, rhs, to),
            _ => tile::<S, C, 1, P>(simd, from, rhs, to),
        }
    }
}

/// `R` rows by `P` panels, in registers from beginning to end.
#[allow(clippy::needless_range_loop, reason = "the compiler keeps in registers what constants index")]
#[inline(always)]
fn tile<S: Simd, C: Columns<P>, const R: usize, const P: usize>(
    simd: S,
    (lhs, row): (Lhs, usize),
    rhs: C,
    (out, stride, add): (&mut [Pack], usize, bool),
) {
    simd.vectorize(
        #[inline(always)]
        || {
            // All as long as the depth, which loops show the compiler and closures hide from it.
            let depth = rhs.depth();
            let panels = rhs.cut(depth);
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
                let right = panels.row(simd, k);
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
        },
    );
}

#[cfg(test)]
mod tests {
    use fearless_simd::{Level, dispatch};

    use super::super::packed::{Panels, Storage};
    use super::super::simd::level;
    use super::*;

    fn value(k: usize, n: usize) -> f32 {
        ((k * 31 + n * 17) % 23) as f32 / 11.0 - 1.0
    }

    /// Every number of rows and of columns that is cut another way; the depth need not be whole packs.
    #[test]
    fn products_are_chains_in_order() {
        check(Storage::Float, value);
    }

    /// To a part in 256, ties to even.
    #[test]
    fn weights_in_bfloat16_are_rounded_and_nothing_else() {
        let rounded = |k, n| {
            let bits = value(k, n).to_bits();
            let [down, up] = [bits & 0xffff_0000, (bits & 0xffff_0000) + 0x1_0000];
            let [below, above] = [bits - down, up - bits];
            let even = down & 0x1_0000 == 0;
            f32::from_bits(if below < above || below == above && even { down } else { up })
        };
        assert!((0..9).any(|k| rounded(k, 0) != value(k, 0)));
        check(Storage::Bfloat, rounded);
    }

    /// The products of a weight kept so, where `acting` is what it is then.
    fn check(storage: Storage, acting: impl Fn(usize, usize) -> f32) {
        let (depth, stride) = (37, 3);
        let data: Vec<f32> = (0..40 * depth).map(|i| ((i * 7919) % 101) as f32 / 50.0 - 1.0).collect();
        for (rows, columns) in [(1, 1), (3, 16), (13, 17), (31, 33), (40, 48)] {
            let panels = Panels::new(depth, columns, value).kept(storage);
            let starts: Vec<usize> = (0..rows).rev().map(|r| r * depth).collect();
            let mut found = vec![[1.0; WIDTH]; rows * stride];
            let lhs = Lhs { data: &data, starts: &starts, shift: 0 };
            let mut out = Out { packs: &mut found, stride, add: true };
            dispatch!(level(), simd => product(simd, lhs, panels.view(), &mut out));
            for r in 0..rows {
                for n in 0..columns {
                    let mut expected = 1.0_f32;
                    for k in 0..depth {
                        expected = data[starts[r] + k].mul_add(acting(k, n), expected);
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
