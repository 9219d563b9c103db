//! The nearest others of every image in a set, in float64, by float32 products where those decide.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use crate::FeatureSet;
use crate::rows::{Block, Centred, blocks, centre_of, pairs_within, squared_distance, strips};
use crate::tile::{Products, Tile};

/// Another image, and how far it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Neighbour {
    /// ‖x − y‖².
    pub squared: f64,
    /// Which row; of equally distant ones the lowest come first.
    pub row: u32,
}

impl Neighbour {
    fn is_before(&self, other: &Self) -> bool {
        (self.squared, self.row) < (other.squared, other.row)
    }
}

/// The nearest rows seen so far, ascending: at most `max`, whatever order they came in.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Nearest {
    found: Vec<Neighbour>,
    max: usize,
}

impl Nearest {
    pub(super) fn new(max: usize) -> Self {
        Self { found: Vec::with_capacity(max + 1), max }
    }

    /// What is farther cannot be among them.
    pub(super) fn limit(&self) -> f64 {
        if self.found.len() < self.max { f64::INFINITY } else { self.found[self.max - 1].squared }
    }

    pub(super) fn add(&mut self, neighbour: Neighbour) {
        let place = self.found.partition_point(|known| known.is_before(&neighbour));
        if place < self.max {
            self.found.insert(place, neighbour);
            self.found.truncate(self.max);
        }
    }

    pub(super) fn found(&self) -> &[Neighbour] {
        &self.found
    }
}

/// The `k` nearest other rows of each row of a set.
#[derive(Clone, Debug, PartialEq)]
pub struct Neighbours(Vec<Nearest>);

impl Neighbours {
    /// Of all rows; k < n. Every pair of blocks is looked at once. The same bits for any number of threads.
    ///
    /// # Panics
    /// With `k` 0, or not below n.
    pub fn of(set: &FeatureSet, k: usize) -> Self {
        assert!(k > 0 && k < set.num_rows(), "`{k}` neighbours among `{}` rows", set.num_rows());
        let centred = Centred::new(set, centre_of(set));
        let (blocks, lists) = (blocks(set.num_rows()), Lists::new(set, k));
        let strips = strips(blocks.len());
        pairs_within(strips.len()).into_par_iter().for_each(|(s, t)| {
            let strip: Vec<Block<'_>> =
                blocks[strips[s].clone()].iter().map(|rows| centred.block(rows)).collect();
            let mut products = Products::new();
            for j in strips[t].clone() {
                let columns = centred.block(&blocks[j]);
                for (i, rows) in strips[s].clone().zip(&strip).filter(|(i, _)| *i <= j) {
                    lists.look(&products.of(rows, &columns), [i, j]);
                }
            }
        });
        Self(lists.joined())
    }

    /// ‖x − NNₖ(x)‖² of every row, k from 1 up to what was looked for.
    pub fn squared_radii(&self, k: usize) -> Vec<f64> {
        self.0.iter().map(|nearest| nearest.found[k - 1].squared).collect()
    }

    /// The nearest other row of every row.
    pub fn nearest(&self) -> impl Iterator<Item = Neighbour> {
        self.0.iter().map(|nearest| nearest.found[0])
    }
}

/// What is known of every row, by block: tiles come in any order, several at once.
struct Lists<'a> {
    set: &'a FeatureSet,
    of_blocks: Vec<Mutex<Vec<Nearest>>>,
}

impl<'a> Lists<'a> {
    fn new(set: &'a FeatureSet, k: usize) -> Self {
        let list = |block: Range<usize>| Mutex::new(vec![Nearest::new(k); block.len()]);
        Self { set, of_blocks: blocks(set.num_rows()).into_iter().map(list).collect() }
    }

    /// Of the blocks i ≤ j: in this order nobody waits for one who waits.
    fn look(&self, tile: &Tile<'_>, [i, j]: [usize; 2]) {
        let locked = |block: usize| self.of_blocks[block].lock().unwrap_or_else(PoisonError::into_inner);
        let (mut ours, mut theirs) = (locked(i), (i != j).then(|| locked(j)));
        let limits = |of: &[Nearest]| of.iter().map(Nearest::limit).collect::<Vec<f64>>();
        let row_limits = limits(&ours);
        let column_limits = theirs.as_deref().map_or_else(|| row_limits.clone(), |of| limits(of));
        let [first_row, first_column] = tile.firsts();
        tile.near(&row_limits, &column_limits, |r, c, bounds| {
            let (row, column) = (first_row + r, first_column + c);
            if row == column {
                return;
            }
            let ours = Some(&mut ours[r]).filter(|of| bounds.may_be_within(of.limit()));
            let theirs = theirs.as_deref_mut().map(|of| &mut of[c]);
            let theirs = theirs.filter(|of| bounds.may_be_within(of.limit()));
            if ours.is_none() && theirs.is_none() {
                return;
            }
            let squared = squared_distance(self.set.row(row), self.set.row(column));
            for (of, other) in [(ours, column), (theirs, row)] {
                of.into_iter().for_each(|of| of.add(Neighbour { squared, row: other as u32 }));
            }
        });
    }

    fn joined(self) -> Vec<Nearest> {
        let lists = self.of_blocks.into_iter();
        lists.flat_map(|list| list.into_inner().unwrap_or_else(PoisonError::into_inner)).collect()
    }
}
