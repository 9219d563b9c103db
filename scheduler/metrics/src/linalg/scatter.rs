//! Scatters of rows about their means, added to those of others without ever lying in memory themselves.

use std::ops::Range;

use fearless_simd::{dispatch, f64x8, prelude::*};
use rayon::prelude::*;

use super::number::level;
use super::panels::Panels;
use super::product::{Sums, chains, strip_of, zeros};

type Pack = [f64; 8];

/// Panels of a sum that are computed together.
const GROUP: usize = 12;
/// Panels whose numbers stay in the second cache meanwhile.
const BLOCK: usize = 8;

/// Rows about their mean, [dim, rows], and where their scatter goes.
#[derive(Debug)]
pub(crate) struct Part<'a> {
    pub(crate) centred: &'a Panels<f64>,
    pub(crate) shares: Vec<Share>,
}

/// To one of the sums is added the scatter, and weight · delta deltaᵀ.
#[derive(Debug)]
pub(crate) struct Share {
    pub(crate) sum: usize,
    /// [dim], filled up with zeros.
    pub(crate) delta: Vec<Pack>,
    pub(crate) weight: f64,
}

/// Adds the parts to the sums, [dim, dim], from the diagonal downwards, one after the other.
pub(crate) fn add(sums: &mut [&mut Panels<f64>], parts: &[Part<'_>]) {
    let Some(stride) = sums.first().map(|sum| sum.stride()) else { return };
    let mut groups: Vec<Group<'_>> = Vec::new();
    for sum in sums {
        for (group, packs) in sum.packs_mut().chunks_mut((GROUP * stride).max(1)).enumerate() {
            if groups.len() == group {
                groups.push(Group { first: group * GROUP, stride, sums: Vec::new() });
            }
            groups[group].sums.push(packs);
        }
    }
    groups
        .into_par_iter()
        .for_each(|mut group| dispatch!(level(), simd => group_of(simd, &mut group, parts)));
}

/// Some panels of every sum.
struct Group<'a> {
    first: usize,
    stride: usize,
    sums: Vec<&'a mut [Pack]>,
}

#[inline(always)]
fn group_of<S: Simd>(simd: S, group: &mut Group<'_>, parts: &[Part<'_>]) {
    let together = strip_of(simd);
    let panels = group.sums[0].len() / group.stride;
    let right = group.first + panels;
    for q in (0..right).step_by(BLOCK) {
        let block = q..(q + BLOCK).min(right);
        for first in (0..panels).step_by(together) {
            match panels.min(first + together) - first {
                3 => strip::<S, 3>(simd, group, (first, &block), parts),
                2 => strip::<S, 2>(simd, group, (first, &block), parts),
                _ => strip::<S, 1>(simd, group, (first, &block), parts),
            }
        }
    }
}

#[inline(always)]
fn strip<S: Simd, const P: usize>(
    simd: S,
    group: &mut Group<'_>,
    (first, block): (usize, &Range<usize>),
    parts: &[Part<'_>],
) {
    let row = group.first + first;
    for q in block.start..block.end.min(row + P) {
        for part in parts {
            let mut at = At { group, first, row, column: q };
            if strip_of(simd) > 1 {
                tile::<S, 8, P, 0>(simd, &mut at, part);
            } else {
                tile::<S, 4, P, 0>(simd, &mut at, part);
                tile::<S, 4, P, 4>(simd, &mut at, part);
            }
        }
    }
}

/// Panels of rows from `row` on, which are the group's from `first` on, and a panel of columns.
struct At<'a, 'b> {
    group: &'a mut Group<'b>,
    first: usize,
    row: usize,
    column: usize,
}

/// `C` columns of a panel, from its `FIRST` on, by `P` panels of rows.
#[allow(clippy::needless_range_loop, reason = "the compiler keeps in registers what constants index")]
#[inline(always)]
fn tile<S: Simd, const C: usize, const P: usize, const FIRST: usize>(
    simd: S,
    at: &mut At<'_, '_>,
    part: &Part<'_>,
) {
    simd.vectorize(
        #[inline(always)]
        || {
            let mut rows: [&[Pack]; P] = [&[]; P];
            for p in 0..P {
                rows[p] = &part.centred.panel(at.row + p)[..part.centred.columns()];
            }
            let columns = &part.centred.panel(at.column)[..part.centred.columns()];
            let start = zeros::<S, f64, C, P>(simd);
            let sums = chains::<S, f64, C, P, FIRST>(simd, columns, rows, start);
            for share in &part.shares {
                spread::<S, C, P, FIRST>(simd, at, share, &sums);
            }
        },
    );
}

/// Adds a tile to one of the sums.
#[allow(clippy::needless_range_loop, reason = "the compiler keeps in registers what constants index")]
#[inline(always)]
fn spread<S: Simd, const C: usize, const P: usize, const FIRST: usize>(
    simd: S,
    at: &mut At<'_, '_>,
    share: &Share,
    sums: &Sums<S, f64, C, P>,
) {
    let (stride, begin) = (at.group.stride, at.first * at.group.stride + at.column * 8 + FIRST);
    let across = &share.delta[at.column];
    for p in 0..P {
        let delta = f64x8::load_array_ref(simd, &share.delta[at.row + p]);
        let packs = &mut at.group.sums[share.sum][begin + p * stride..][..C];
        for c in 0..C {
            let bent = delta * f64x8::splat(simd, share.weight * across[FIRST + c]);
            let sum = f64x8::load_array_ref(simd, &packs[c]) + (sums[c][p] + bent);
            packs[c] = sum.to_array();
        }
    }
}
