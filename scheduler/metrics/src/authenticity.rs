//! Authenticity (arXiv 2102.08921, AuthPct in 2306.04675): the share of images that are no copies of real ones. An image
//! counts as a copy where it is nearer to its nearest real image than that one is to any other real image.

use crate::balls::Hits;
use crate::neighbours::Neighbours;

/// (1/m) Σⱼ 1[‖xⱼ − yᵢ₍ⱼ₎‖ > ‖yᵢ₍ⱼ₎ − NN₁(yᵢ₍ⱼ₎)‖], yᵢ₍ⱼ₎ the reference's nearest to xⱼ: 0 to 1.
pub fn authenticity(hits: &Hits, reference: &Neighbours) -> f64 {
    let gaps: Vec<f64> = reference.squared_radii(1);
    let authentic = hits.ours_nearest.iter().filter(|nearest| nearest.squared > gaps[nearest.row as usize]);
    authentic.count() as f64 / hits.ours_nearest.len() as f64
}
