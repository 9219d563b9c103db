//! Is one run worse than another? Pure statistics of two metrics: the [`difference`] with its interval, and what is
//! concluded from it ([`verdict`]); [`sets`] makes
//! them of features, of which [`identity`] tells whether they are the same at all; [`repeats`] of a run on other seeds tell how much of a metric is chance. Two runs of the same seeds share their noise and classes, and most of the chance in
//! their metrics with it: their difference is known better than either of them.

pub mod difference;
pub mod identity;
pub mod repeats;
pub mod sets;
pub mod verdict;

pub use difference::{CompareError, Design, Difference, Estimate};
pub use identity::Identity;
pub use sets::{Comparison, SetsError, compare};
pub use verdict::{Rule, Verdict};
