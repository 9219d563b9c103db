//! Improved precision and recall (arXiv 1904.06991): the share of ours inside the reference's manifold, and of the
//! reference inside ours. A manifold is the union of closed balls around its images, each out to its k-th nearest other.

use crate::balls::Hits;

/// Neighbours that make a manifold's balls.
pub const K: usize = 3;

/// (1/m) Σⱼ 1[xⱼ lies in a ball around the reference's].
pub fn precision(hits: &Hits) -> f64 {
    share(&hits.ours_inside)
}

/// (1/n) Σᵢ 1[yᵢ lies in a ball around ours].
pub fn recall(hits: &Hits) -> f64 {
    share(&hits.reference_inside)
}

/// Of the flags that are set, 0 to 1.
pub(super) fn share(flags: &[bool]) -> f64 {
    flags.iter().filter(|flag| **flag).count() as f64 / flags.len() as f64
}
