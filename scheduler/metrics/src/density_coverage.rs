//! Density and coverage (arXiv 2002.09797): how many of the reference's balls an image of ours lies in, and how many of
//! them hold one. The balls are open and reach to each image's k-th nearest other, as in the authors' `prdc`.

use crate::balls::Hits;
use crate::precision_recall::share;

/// Neighbours that make the balls.
pub const K: usize = 5;

/// (1/km) Σⱼ Σᵢ 1[xⱼ lies in the ball around yᵢ]: 1 in expectation where the sets are alike, and not bounded by it.
pub fn density(hits: &Hits, k: usize) -> f64 {
    let depth: u64 = hits.ours_depth.iter().map(|&depth| u64::from(depth)).sum();
    depth as f64 / (k * hits.ours_depth.len()) as f64
}

/// (1/n) Σᵢ 1[one of ours lies in the ball around yᵢ].
pub fn coverage(hits: &Hits) -> f64 {
    share(&hits.reference_covered)
}
