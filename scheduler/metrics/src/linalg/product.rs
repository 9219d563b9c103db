//! A Bᵀ of matrices in panels, on all cores. Every value is one chain of fused multiply-adds from the first column to the
//! last, whatever the processor's registers, the cut and the number of threads: so are its bits.

use std::ops::Range;

use fearless_simd::{Level, dispatch, prelude::*};
use rayon::prelude::*;

use super::number::{Number, level};
use super::panels::{Panels, View};

/// Groups of rows for each core, which they get one after another.
const GROUPS: usize = 6;
/// Panels of rows that registers hold the sums of at once, at the most.
const STRIP: usize = 3;
/// Panels of the right-hand side that stay in the second cache meanwhile.
const BLOCK: usize = 16;
/// Columns whose products are summed up before the next ones: what is read stays in the caches.
const DEPTH: usize = 256;

/// Which values of a product are wanted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Wanted {
    All,
    /// From the diagonal downwards; what else is near it is computed too.
    Lower,
    /// From the diagonal to the right, likewise.
    Upper,
}

/// Where the first factor has nothing but zeros, of which no products are computed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Zeros {
    Nowhere,
    /// Left of the diagonal, below it.
    Below,
    /// Right of the diagonal.
    Above,
}

/// a bᵀ, on all cores.
pub(crate) fn product<T: Number>(a: &Panels<T>, b: &Panels<T>, wanted: Wanted) -> Panels<T> {
    product_of_triangle((a, Zeros::Nowhere), b, wanted)
}

/// a bᵀ on all cores, where a is known to be zero somewhere.
pub(crate) fn product_of_triangle<T: Number>(
    (a, zeros): (&Panels<T>, Zeros),
    b: &Panels<T>,
    wanted: Wanted,
) -> Panels<T> {
    let mut product = Panels::zeros(a.rows(), b.rows());
    let factors = Factors { a: a.part(0, 0), zeros, b: b.part(0, 0), wanted };
    factors.put_into(Target::new(&mut product), (level(), true));
    product
}

/// a bᵀ by the calling thread alone, for those who have other work for the other cores.
pub(crate) fn product_alone<T: Number>(a: &Panels<T>, b: &Panels<T>, wanted: Wanted) -> Panels<T> {
    let mut product = Panels::zeros(a.rows(), b.rows());
    product_within(a, b, wanted, &mut product);
    product
}

/// As [`product_alone`], in memory that is there already.
pub(crate) fn product_within<T: Number>(
    a: &Panels<T>,
    b: &Panels<T>,
    wanted: Wanted,
    product: &mut Panels<T>,
) {
    product.reshape(a.rows(), b.rows());
    let factors = Factors { a: a.part(0, 0), zeros: Zeros::Nowhere, b: b.part(0, 0), wanted };
    factors.put_into(Target::new(product), (level(), false));
}

/// Where a product goes: into a matrix, from a panel and a column on.
pub(crate) struct Target<'a, T: Number> {
    pub(crate) product: &'a mut Panels<T>,
    pub(crate) panel: usize,
    pub(crate) column: usize,
    /// Whether it is added to what is there: that is then the start of every chain.
    pub(crate) adds: bool,
}

impl<'a, T: Number> Target<'a, T> {
    fn new(product: &'a mut Panels<T>) -> Self {
        Self { product, panel: 0, column: 0, adds: false }
    }

    /// Puts a bᵀ there, on all cores.
    pub(crate) fn put(self, a: View<'_, T>, b: View<'_, T>, wanted: Wanted) {
        Factors { a, zeros: Zeros::Nowhere, b, wanted }.put_into(self, (level(), true));
    }
}

#[derive(Clone, Copy)]
struct Factors<'a, T: Number> {
    a: View<'a, T>,
    zeros: Zeros,
    b: View<'a, T>,
    wanted: Wanted,
}

impl<T: Number> Factors<'_, T> {
    /// # Panics
    /// When the two have different numbers of columns.
    fn put_into(self, to: Target<'_, T>, (level, on_all_cores): (Level, bool)) {
        assert_eq!(self.a.columns(), self.b.columns(), "factors of different depths");
        let Target { product, panel, column, adds } = to;
        let stride = product.stride();
        // The larger a group, the more often the caches have what is multiplied: no bit depends on it.
        let groups = if on_all_cores { GROUPS * rayon::current_num_threads() } else { 1 };
        let size = self.a.count().div_ceil(groups).next_multiple_of(STRIP).max(STRIP);
        let group = |(group, packs): (usize, &mut [T::Pack])| {
            let mut to = Rows { first: group * size, packs, stride, column, adds };
            dispatch!(level, simd => rows_of(simd, self, &mut to));
        };
        let packs = &mut product.packs_mut()[panel * stride..][..self.a.count() * stride];
        if on_all_cores {
            packs.par_chunks_mut((size * stride).max(1)).enumerate().for_each(group);
        } else {
            packs.chunks_mut((size * stride).max(1)).enumerate().for_each(group);
        }
    }
}

/// Some panels of a product.
struct Rows<'a, T: Number> {
    first: usize,
    packs: &'a mut [T::Pack],
    stride: usize,
    /// Where the first column is.
    column: usize,
    adds: bool,
}

#[inline(always)]
fn rows_of<S: Simd, T: Number>(simd: S, factors: Factors<T>, to: &mut Rows<T>) {
    let together = strip_of(simd);
    let panels = to.packs.len() / to.stride;
    let depth = factors.a.columns();
    for k in (0..depth).step_by(DEPTH) {
        for q in (0..factors.b.count()).step_by(BLOCK) {
            let block =
                Block { depth: k..(k + DEPTH).min(depth), right: q..(q + BLOCK).min(factors.b.count()) };
            for first in (0..panels).step_by(together) {
                match panels.min(first + together) - first {
                    3 => strip::<S, T, 3>(simd, (factors, &block), to, first),
                    2 => strip::<S, T, 2>(simd, (factors, &block), to, first),
                    _ => strip::<S, T, 1>(simd, (factors, &block), to, first),
                }
            }
        }
    }
}

/// Columns of both factors, and panels of the right-hand one.
struct Block {
    depth: Range<usize>,
    right: Range<usize>,
}

/// Panels of rows that registers hold the sums of, eight or four columns at a time.
#[inline(always)]
pub(super) fn strip_of<S: Simd>(_: S) -> usize {
    if is_wide::<S>() { STRIP } else { 1 }
}

/// Whether a pack is one register, of which there are 32.
#[inline(always)]
fn is_wide<S: Simd>() -> bool {
    S::f64s::LEN == f64::WIDTH
}

#[inline(always)]
fn strip<S: Simd, T: Number, const P: usize>(
    simd: S,
    (factors, block): (Factors<T>, &Block),
    to: &mut Rows<T>,
    first: usize,
) {
    let Factors { a, zeros, b, wanted } = factors;
    let row = to.first + first;
    let (begin, end) = match zeros {
        Zeros::Nowhere => (0, usize::MAX),
        Zeros::Below => (row * T::WIDTH, usize::MAX),
        Zeros::Above => (0, (row + P) * T::WIDTH),
    };
    let depth = block.depth.start.max(begin)..block.depth.end.min(end);
    let is_first = !to.adds && depth.start == begin;
    if depth.is_empty() {
        return;
    }
    let right = match wanted {
        Wanted::All => block.right.clone(),
        Wanted::Lower => block.right.start..block.right.end.min(row + P),
        Wanted::Upper => block.right.start.max(row)..block.right.end,
    };
    let mut rows: [&[T::Pack]; P] = [&[]; P];
    for (p, rows) in rows.iter_mut().enumerate() {
        *rows = &a.panel(row + p)[depth.clone()];
    }
    let packs = &mut to.packs[first * to.stride..(first + P) * to.stride];
    for q in right {
        let columns = &b.panel(q)[depth.clone()];
        let mut to = Tile { packs: &mut packs[to.column + q * T::WIDTH..], stride: to.stride, is_first };
        if is_wide::<S>() {
            add::<S, T, 8, P, 0>(simd, columns, rows, &mut to);
            if T::WIDTH == 16 {
                add::<S, T, 8, P, 8>(simd, columns, rows, &mut to);
            }
        } else {
            add::<S, T, 4, P, 0>(simd, columns, rows, &mut to);
            add::<S, T, 4, P, 4>(simd, columns, rows, &mut to);
            if T::WIDTH == 16 {
                add::<S, T, 4, P, 8>(simd, columns, rows, &mut to);
                add::<S, T, 4, P, 12>(simd, columns, rows, &mut to);
            }
        }
    }
}

/// Sums of `C` columns by `P` panels.
pub(super) type Sums<S, T, const C: usize, const P: usize> = [[<T as Number>::Vector<S>; P]; C];

/// Some panels, of which one pack of columns each is computed.
struct Tile<'a, T: Number> {
    packs: &'a mut [T::Pack],
    stride: usize,
    /// Whether nothing is there yet.
    is_first: bool,
}

/// Goes on with the chains of `C` columns of a pack, from its `FIRST` on.
#[allow(clippy::needless_range_loop, reason = "the compiler keeps in registers what constants index")]
#[inline(always)]
fn add<S: Simd, T: Number, const C: usize, const P: usize, const FIRST: usize>(
    simd: S,
    columns: &[T::Pack],
    rows: [&[T::Pack]; P],
    to: &mut Tile<'_, T>,
) {
    simd.vectorize(
        #[inline(always)]
        || {
            let mut sums = zeros::<S, T, C, P>(simd);
            if !to.is_first {
                for c in 0..C {
                    for p in 0..P {
                        sums[c][p] = T::Vector::load_array_ref(simd, &to.packs[p * to.stride + FIRST + c]);
                    }
                }
            }
            let sums = chains::<S, T, C, P, FIRST>(simd, columns, rows, sums);
            for c in 0..C {
                for p in 0..P {
                    to.packs[p * to.stride + FIRST + c] = sums[c][p].to_array();
                }
            }
        },
    );
}

#[inline(always)]
pub(super) fn zeros<S: Simd, T: Number, const C: usize, const P: usize>(simd: S) -> Sums<S, T, C, P> {
    [[T::Vector::<S>::splat(simd, T::default()); P]; C]
}

/// The innermost loop: as many multiply-adds as there are sums, for each column.
#[allow(clippy::needless_range_loop, reason = "the compiler keeps in registers what constants index")]
#[inline(always)]
pub(super) fn chains<S: Simd, T: Number, const C: usize, const P: usize, const FIRST: usize>(
    simd: S,
    columns: &[T::Pack],
    rows: [&[T::Pack]; P],
    mut sums: Sums<S, T, C, P>,
) -> Sums<S, T, C, P> {
    // All as long, which loops show the compiler and closures hide from it.
    let depth = columns.len();
    let mut panels: [&[T::Pack]; P] = [&[]; P];
    for p in 0..P {
        panels[p] = &rows[p][..depth];
    }
    for k in 0..depth {
        let mut right = [T::Vector::<S>::splat(simd, T::default()); P];
        for p in 0..P {
            right[p] = T::Vector::load_array_ref(simd, &panels[p][k]);
        }
        let left = columns[k].as_ref();
        for c in 0..C {
            let left = T::Vector::splat(simd, left[FIRST + c]);
            for p in 0..P {
                sums[c][p] = left.mul_add(right[p], sums[c][p]);
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers<T: Number>(rows: usize, columns: usize, of: impl Fn(f64) -> T) -> Panels<T> {
        let number = |i: usize, k: usize| ((i * 7919 + k * 104_729 + 13) % 2003) as f64 / 997.0 - 1.0;
        Panels::from_fn(rows, columns, |i, k| of(number(i, k)))
    }

    /// AVX-512 and AVX2, as far as the processor has them.
    fn levels() -> Vec<Level> {
        let narrow = level().as_avx2().map(Level::Avx2);
        [Some(level()), narrow].into_iter().flatten().collect()
    }

    macro_rules! chain {
        ($a:expr, $b:expr, $i:expr, $j:expr) => {
            (0..$a.columns()).fold(Default::default(), |sum, k| $a.get($i, k).mul_add($b.get($j, k), sum))
        };
    }

    /// Every number of rows that is cut another way, more columns than are summed up at once, and none of it shows.
    #[test]
    fn every_value_is_one_chain_on_every_processor() {
        for (rows, others, depth) in [(1, 1, 1), (8, 9, 3), (17, 25, 40), (100, 130, 2 * DEPTH + 7)] {
            let (a, b) = (numbers(rows, depth, |x| x), numbers(others, depth, |x| x / 3.0));
            let (c, d) = (numbers(rows, depth, |x| x as f32), numbers(others, depth, |x| x as f32));
            for level in levels() {
                let (zeros, wanted) = (Zeros::Nowhere, Wanted::All);
                let (mut wide, mut narrow) = (Panels::zeros(rows, others), Panels::zeros(rows, others));
                Factors { a: a.part(0, 0), zeros, b: b.part(0, 0), wanted }
                    .put_into(Target::new(&mut wide), (level, true));
                Factors { a: c.part(0, 0), zeros, b: d.part(0, 0), wanted }
                    .put_into(Target::new(&mut narrow), (level, false));
                for (i, j) in (0..rows).flat_map(|i| (0..others).map(move |j| (i, j))) {
                    assert_eq!(wide.get(i, j), chain!(a, b, i, j), "{level:?} {rows}x{others} at {i},{j}");
                    assert_eq!(narrow.get(i, j), chain!(c, d, i, j), "{level:?} {rows}x{others} at {i},{j}");
                }
            }
        }
    }

    #[test]
    fn what_is_left_out_is_zero_or_not_wanted() {
        let (dim, depth) = (131, 300);
        let b = numbers(dim, depth, |x| x);
        let upper = Panels::from_fn(dim, depth, |i, k| if k < i { 0.0 } else { b.get(k % dim, i) });
        let lower = Panels::from_fn(dim, depth, |i, k| if k > i { 0.0 } else { b.get(k % dim, i) });
        for (wanted, is_wanted) in [
            (Wanted::All, (|_, _| true) as fn(usize, usize) -> bool),
            (Wanted::Lower, |i, j| i >= j),
            (Wanted::Upper, |i, j| i <= j),
        ] {
            for (a, zeros) in [
                (&upper, Zeros::Nowhere),
                (&lower, Zeros::Nowhere),
                (&upper, Zeros::Below),
                (&lower, Zeros::Above),
            ] {
                let found = product_of_triangle((a, zeros), &b, wanted);
                for (i, j) in (0..dim).flat_map(|i| (0..dim).map(move |j| (i, j))) {
                    assert!(
                        !is_wanted(i, j) || found.get(i, j) == chain!(a, b, i, j),
                        "{wanted:?} at {i},{j}"
                    );
                }
            }
        }
    }
}
