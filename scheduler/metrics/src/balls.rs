//! Which images of one set lie in the balls around another's: what precision, recall, density and coverage count.

use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rayon::prelude::*;

use crate::frechet::FrechetError;
use crate::neighbours::{Nearest, Neighbour};
use crate::rows::{Block, Centred, blocks, centre_of, pairs, squared_distance, strips};
use crate::tile::{Bounds, Products, Tile};
use crate::{FeatureSet, MetricError};

/// Two sets of images, of as many features each.
#[derive(Clone, Copy, Debug)]
pub struct TwoSets<'a> {
    /// The images that are measured, m of them.
    pub ours: &'a FeatureSet,
    /// The real ones, n of them.
    pub reference: &'a FeatureSet,
}

impl TwoSets<'_> {
    /// Whether both have the same features, and at least `needed` images each.
    ///
    /// # Errors
    /// They do not.
    pub fn check(&self, needed: usize) -> Result<(), MetricError> {
        let (ours, theirs) = (self.ours.dim(), self.reference.dim());
        if ours != theirs {
            return Err(FrechetError::Dimensions { ours, theirs }.into());
        }
        let n = self.ours.num_rows().min(self.reference.num_rows());
        if n < needed { Err(MetricError::TooFew { n, needed }) } else { Ok(()) }
    }
}

/// Squared radii of balls around each image of either set; no balls around a set without radii.
#[derive(Clone, Debug, Default)]
pub struct Radii {
    /// Around ours, `[m]`: ‖x − NNₖ(x)‖².
    pub ours: Option<Vec<f64>>,
    /// Around the reference's, `[n]`.
    pub reference: Option<Vec<f64>>,
    /// Around the reference's, without the sphere itself, `[n]`.
    pub open_reference: Option<Vec<f64>>,
}

/// What lies where.
#[derive(Clone, Debug, PartialEq)]
pub struct Hits {
    /// Of each of ours: whether it lies in a ball around the reference's.
    pub ours_inside: Vec<bool>,
    /// Of each of ours: how many open balls around the reference's it lies in.
    pub ours_depth: Vec<u32>,
    /// Of each of ours: the nearest of the reference.
    pub ours_nearest: Vec<Neighbour>,
    /// Of each of the reference: whether it lies in a ball around ours.
    pub reference_inside: Vec<bool>,
    /// Of each of the reference: whether one of ours lies in its open ball.
    pub reference_covered: Vec<bool>,
}

/// Looks at every pair of images once. The same bits for any number of threads.
pub fn hits(sets: TwoSets<'_>, radii: &Radii) -> Hits {
    let centre = centre_of(sets.reference);
    let centred = [sets.reference, sets.ours].map(|set| Centred::new(set, centre.clone()));
    let blocks = [sets.reference, sets.ours].map(|set| blocks(set.num_rows()));
    let strips = blocks.each_ref().map(|blocks| strips(blocks.len()));
    let seen = Seen::new(sets, radii, &blocks);
    pairs(strips[0].len(), strips[1].len()).into_par_iter().for_each(|(s, t)| {
        let [reference, ours] = &centred;
        let strip = blocks[0][strips[0][s].clone()].iter().map(|rows| reference.block(rows));
        let strip: Vec<Block<'_>> = strip.collect();
        let mut products = Products::new();
        for j in strips[1][t].clone() {
            let columns = ours.block(&blocks[1][j]);
            for (i, rows) in strips[0][s].clone().zip(&strip) {
                seen.look(&products.of(rows, &columns), [i, j]);
            }
        }
    });
    seen.joined()
}

/// One of the reference and one of ours.
struct Pair<'a> {
    sets: TwoSets<'a>,
    row: usize,
    column: usize,
    bounds: Bounds,
    exact: Option<f64>,
}

impl Pair<'_> {
    fn squared(&mut self) -> f64 {
        let TwoSets { ours, reference } = self.sets;
        let (row, column) = (self.row, self.column);
        *self.exact.get_or_insert_with(|| squared_distance(reference.row(row), ours.row(column)))
    }

    fn is_within(&mut self, squared_radius: f64) -> bool {
        match self.bounds {
            Bounds { low, .. } if low > squared_radius => false,
            Bounds { high, .. } if high <= squared_radius => true,
            _ => self.squared() <= squared_radius,
        }
    }
}

/// What was seen so far, by block: tiles come in any order, several at once.
struct Seen<'a> {
    sets: TwoSets<'a>,
    radii: &'a Radii,
    reference: Vec<Mutex<OfReference>>,
    ours: Vec<Mutex<OfOurs>>,
}

/// Of a block of the reference.
struct OfReference {
    inside: Vec<bool>,
    covered: Vec<bool>,
}

/// Of a block of ours.
struct OfOurs {
    inside: Vec<bool>,
    depth: Vec<u32>,
    nearest: Vec<Nearest>,
}

impl<'a> Seen<'a> {
    fn new(sets: TwoSets<'a>, radii: &'a Radii, [reference, ours]: &[Vec<Range<usize>>; 2]) -> Self {
        let nothing = |n: usize| vec![false; n];
        let of_reference = |rows: &Range<usize>| {
            Mutex::new(OfReference { inside: nothing(rows.len()), covered: nothing(rows.len()) })
        };
        let of_ours = |rows: &Range<usize>| {
            let n = rows.len();
            Mutex::new(OfOurs { inside: nothing(n), depth: vec![0; n], nearest: vec![Nearest::new(1); n] })
        };
        let reference = reference.iter().map(of_reference).collect();
        Self { sets, radii, reference, ours: ours.iter().map(of_ours).collect() }
    }

    /// Of block i of the reference and block j of ours, locked in this order: nobody waits for one who waits.
    fn look(&self, tile: &Tile<'_>, [i, j]: [usize; 2]) {
        let mut reference = locked(&self.reference[i]);
        let mut ours = locked(&self.ours[j]);
        let [first_row, first_column] = tile.firsts();
        let Radii { ours: around_ours, reference: around, open_reference: open } = self.radii;
        let radius = |of: &Option<Vec<f64>>, row: usize| of.as_ref().map_or(0.0, |radii| radii[row]);
        let rows = first_row..first_row + reference.inside.len();
        let row_limits: Vec<f64> = rows.map(|row| radius(around, row).max(radius(open, row))).collect();
        let columns = ours.nearest.iter().enumerate();
        let column_limits: Vec<f64> =
            columns.map(|(c, nearest)| radius(around_ours, first_column + c).max(nearest.limit())).collect();
        tile.near(&row_limits, &column_limits, |r, c, bounds| {
            let (row, column) = (first_row + r, first_column + c);
            let mut pair = Pair { sets: self.sets, row, column, bounds, exact: None };
            if bounds.may_be_within(ours.nearest[c].limit()) {
                ours.nearest[c].add(Neighbour { squared: pair.squared(), row: row as u32 });
            }
            if let Some(radii) = around {
                ours.inside[c] = ours.inside[c] || pair.is_within(radii[row]);
            }
            if let Some(radii) = around_ours {
                reference.inside[r] = reference.inside[r] || pair.is_within(radii[column]);
            }
            if let Some(radii) = open
                && pair.is_within(radii[row].next_down())
            {
                ours.depth[c] += 1;
                reference.covered[r] = true;
            }
        });
    }

    fn joined(self) -> Hits {
        let mut hits = Hits {
            ours_inside: Vec::new(),
            ours_depth: Vec::new(),
            ours_nearest: Vec::new(),
            reference_inside: Vec::new(),
            reference_covered: Vec::new(),
        };
        for block in self.reference {
            let OfReference { inside, covered } = block.into_inner().unwrap_or_else(PoisonError::into_inner);
            hits.reference_inside.extend(inside);
            hits.reference_covered.extend(covered);
        }
        for block in self.ours {
            let OfOurs { inside, depth, nearest } =
                block.into_inner().unwrap_or_else(PoisonError::into_inner);
            hits.ours_inside.extend(inside);
            hits.ours_depth.extend(depth);
            hits.ours_nearest.extend(nearest.iter().filter_map(|nearest| nearest.found().first()));
        }
        hits
    }
}

fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
