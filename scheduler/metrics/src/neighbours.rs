//! The nearest others of every image in a set, in float64, by float32 products where those decide.

use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use crate::FeatureSet;
use crate::rows::{Bounds, Centred, Tile, blocks, centre_of, pairs_within, squared_distance};

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
        let blocks = blocks(set.num_rows());
        let lists: Vec<Mutex<Vec<Nearest>>> =
            blocks.iter().map(|block| Mutex::new(vec![Nearest::new(k); block.len()])).collect();
        let add = |list: &mut Nearest, row: usize, other: usize, bounds: Bounds| {
            if bounds.may_be_within(list.limit()) && row != other {
                let squared = squared_distance(set.row(row), set.row(other));
                list.add(Neighbour { squared, row: other as u32 });
            }
        };
        pairs_within(blocks.len()).into_par_iter().for_each(|(i, j)| {
            let (rows, columns) = (&blocks[i], &blocks[j]);
            let tile = Tile::new((&centred, rows), (&centred, columns));
            let locked = |block: usize| lists[block].lock().unwrap_or_else(PoisonError::into_inner);
            let mut ours = locked(i);
            tile.each(|r, c, bounds| add(&mut ours[r], rows.start + r, columns.start + c, bounds));
            drop(ours);
            if i != j {
                let mut theirs = locked(j);
                tile.each(|r, c, bounds| add(&mut theirs[c], columns.start + c, rows.start + r, bounds));
            }
        });
        let lists =
            lists.into_iter().flat_map(|list| list.into_inner().unwrap_or_else(PoisonError::into_inner));
        Self(lists.collect())
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
