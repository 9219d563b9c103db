//! Successive halving, by error bars: how many images each look has, and who is not looked at again.

use fidelis_contract::ids::ChunkIndex;
use fidelis_metrics::registry::Better;

use crate::compare::{Design, Difference, Estimate};

/// Shares of the images that cells are looked at with, as one of so many.
const SHARES: [ChunkIndex; 3] = [4, 2, 1];

/// How far beyond the 95 % interval of its difference from the best a cell has to be to be given up: twice its reach, which
/// with ten blocks chance comes to once in 700 looks at two cells that are equal.
const REACHES: f64 = 2.0;

/// How many of a run's chunks each look needs, ascending; the last needs all.
pub fn looks(num_chunks: ChunkIndex, is_full: bool) -> Vec<ChunkIndex> {
    let shares = if is_full { &SHARES[2..] } else { &SHARES[..] };
    let mut looks: Vec<ChunkIndex> = shares.iter().map(|share| num_chunks.div_ceil(*share)).collect();
    looks.dedup();
    looks
}

/// How much worse `cell` is than `best`, by the images of the same seeds; `None` of too few images.
pub fn behind(best: &Estimate, cell: &Estimate) -> Option<Difference> {
    Difference::new(best, cell, Design::Paired, Better::Lower).ok()
}

/// Whether a cell is worse than the best of its look by so much more than chance explains that the rest of its images need
/// not be made. With no more images than features a distance says more about their number than about the cell: then nobody
/// is given up.
pub fn is_hopeless(best: &Estimate, cell: &Estimate, (num_images, dim): (u64, usize)) -> bool {
    let is_known = num_images > dim as u64;
    is_known
        && behind(best, cell).is_some_and(|behind| {
            let reach = behind.interval()[1] - behind.worse_by;
            behind.worse_by > REACHES * reach
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_a_half_all() {
        assert_eq!(looks(16, false), [4, 8, 16]);
        assert_eq!(looks(5, false), [2, 3, 5]);
        assert_eq!(looks(2, false), [1, 2]);
        assert_eq!(looks(1, false), [1]);
        assert_eq!(looks(16, true), [16]);
    }

    /// Ten blocks, of which leaving one out changes the value by the given amounts.
    fn estimate(value: f64, changes: [f64; 10]) -> Estimate {
        Estimate { value, without: changes.map(|change| value + change).to_vec() }
    }

    const SPREAD: [f64; 10] = [0.1, -0.1, 0.1, -0.1, 0.1, -0.1, 0.1, -0.1, 0.1, -0.1];

    #[test]
    fn what_all_seeds_share_does_not_hide_a_difference() {
        let best = estimate(5.0, SPREAD);
        // The error of either is 0.3, and they share it.
        let shifted = estimate(5.2, SPREAD);
        assert!(is_hopeless(&best, &shifted, (1000, 128)));
        assert!(!is_hopeless(&best, &shifted, (128, 128)), "fewer images than features");
        assert!(!is_hopeless(&best, &best, (1000, 128)));
        // Of errors that are not shared, the reach is 2.262 · 0.6.
        let other = |value| estimate(value, SPREAD.map(|change| -change));
        assert!(!is_hopeless(&best, &other(5.0 + 2.6), (1000, 128)));
        assert!(is_hopeless(&best, &other(5.0 + 2.8), (1000, 128)));
        assert!(!is_hopeless(&other(7.8), &best, (1000, 128)), "the better one");
    }

    /// Two cells of the same truth, over and over: how often one is given up.
    #[test]
    fn chance_seldom_gives_up_an_equal() {
        let draw = |seed: u64| {
            let mixed = (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
        };
        let normal = |seed: u64| (0..12).map(|i| draw(12 * seed + i)).sum::<f64>() - 6.0;
        // The mean of ten blocks, and of nine of them.
        let cell = |seed: u64| {
            let blocks: Vec<f64> = (0..10).map(|i| normal(10 * seed + i)).collect();
            let sum: f64 = blocks.iter().sum();
            Estimate { value: sum / 10.0, without: blocks.iter().map(|block| (sum - block) / 9.0).collect() }
        };
        let either =
            |a: &Estimate, b: &Estimate| is_hopeless(a, b, (1000, 1)) || is_hopeless(b, a, (1000, 1));
        let given_up = (0..20_000).filter(|i| either(&cell(2 * i), &cell(2 * i + 1))).count();
        assert!((12..=50).contains(&given_up), "{given_up} of 20000, where 29 are expected");
    }
}
