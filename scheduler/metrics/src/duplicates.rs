//! Images that are there twice: those whose nearest other image of the same set is no farther than rounding.

use crate::FeatureSet;
use crate::neighbours::Neighbours;

/// Closer than this share of the median distance to a nearest neighbour, two images have the same features.
pub const TOLERANCE: f64 = 1e-3;

/// What was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Duplicates {
    /// Share of images that have a duplicate, 0 to 1.
    pub value: f64,
    /// The first few of them with their nearest, by seed where seeds are known.
    pub examples: Vec<[u64; 2]>,
}

/// Pairs that are named.
const NUM_EXAMPLES: usize = 10;

/// Images of a set that are nearer to another than [`TOLERANCE`] times the median distance to a nearest neighbour.
pub fn duplicates(set: &FeatureSet, neighbours: &Neighbours) -> Duplicates {
    let mut distances: Vec<f64> = neighbours.nearest().map(|nearest| nearest.squared.sqrt()).collect();
    let middle = distances.len() / 2;
    let median = *distances.select_nth_unstable_by(middle, f64::total_cmp).1;
    let is_duplicate = |squared: f64| squared.sqrt() <= TOLERANCE * median;
    let found = || neighbours.nearest().enumerate().filter(|(_, nearest)| is_duplicate(nearest.squared));
    // Of each pair the later one is named first.
    let later = found().filter(|(row, nearest)| *row > nearest.row as usize).take(NUM_EXAMPLES);
    Duplicates {
        value: found().count() as f64 / set.num_rows() as f64,
        examples: later.map(|(row, nearest)| [set.name(row), set.name(nearest.row as usize)]).collect(),
    }
}
