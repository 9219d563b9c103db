//! Which images of one set lie in the balls around another's: what precision, recall, density and coverage count.

use rayon::prelude::*;

use crate::frechet::FrechetError;
use crate::neighbours::{Nearest, Neighbour};
use crate::rows::{Bounds, Centred, Tile, blocks, centre_of, squared_distance};
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
    let reference = Centred::new(sets.reference, centre.clone());
    let ours = Centred::new(sets.ours, centre);
    let reference_blocks = blocks(sets.reference.num_rows());
    let strips: Vec<Strip> = (blocks(sets.ours.num_rows()).into_par_iter())
        .map(|columns| {
            let mut strip = Strip::new(columns.len(), sets.reference.num_rows());
            for rows in &reference_blocks {
                let tile = Tile::new((&reference, rows), (&ours, &columns));
                tile.each(|r, c, bounds| {
                    let pair =
                        Pair { sets, row: rows.start + r, column: columns.start + c, bounds, exact: None };
                    strip.look(c, pair, radii);
                });
            }
            strip
        })
        .collect();
    Strip::joined(strips, sets.reference.num_rows())
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

/// A block of ours against the whole reference.
struct Strip {
    inside: Vec<bool>,
    depth: Vec<u32>,
    nearest: Vec<Nearest>,
    reference_inside: Vec<bool>,
    covered: Vec<bool>,
}

impl Strip {
    fn new(num_ours: usize, num_reference: usize) -> Self {
        Self {
            inside: vec![false; num_ours],
            depth: vec![0; num_ours],
            nearest: vec![Nearest::new(1); num_ours],
            reference_inside: vec![false; num_reference],
            covered: vec![false; num_reference],
        }
    }

    fn look(&mut self, c: usize, mut pair: Pair<'_>, radii: &Radii) {
        let (row, column) = (pair.row, pair.column);
        if pair.bounds.may_be_within(self.nearest[c].limit()) {
            self.nearest[c].add(Neighbour { squared: pair.squared(), row: row as u32 });
        }
        if let Some(radii) = &radii.reference {
            self.inside[c] = self.inside[c] || pair.is_within(radii[row]);
        }
        if let Some(radii) = &radii.ours {
            self.reference_inside[row] = self.reference_inside[row] || pair.is_within(radii[column]);
        }
        if let Some(radii) = &radii.open_reference
            && pair.is_within(radii[row].next_down())
        {
            self.depth[c] += 1;
            self.covered[row] = true;
        }
    }

    fn joined(strips: Vec<Self>, num_reference: usize) -> Hits {
        let mut hits = Hits {
            ours_inside: Vec::new(),
            ours_depth: Vec::new(),
            ours_nearest: Vec::new(),
            reference_inside: vec![false; num_reference],
            reference_covered: vec![false; num_reference],
        };
        for strip in strips {
            hits.ours_inside.extend(strip.inside);
            hits.ours_depth.extend(strip.depth);
            hits.ours_nearest.extend(strip.nearest.iter().filter_map(|nearest| nearest.found().first()));
            any(&mut hits.reference_inside, &strip.reference_inside);
            any(&mut hits.reference_covered, &strip.covered);
        }
        hits
    }
}

fn any(flags: &mut [bool], more: &[bool]) {
    flags.iter_mut().zip(more).for_each(|(flag, more)| *flag |= more);
}
