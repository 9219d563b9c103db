//! Feature rows in, distances out, in float64 throughout: moments per chunk ([`moments`]), folded in seed order into
//! those of the run and of its blocks ([`fold`]), compared as Gaussians ([`frechet`]) with an error bar ([`jackknife`]).

mod factor;
pub mod fold;
pub mod frechet;
pub mod jackknife;
pub mod moments;
mod nearest;

pub use fold::{FeatureChunk, Fold, Folded, RowNames};
pub use frechet::{Frechet, Gaussian};
pub use moments::Moments;

/// Blocks of seeds behind every error bar.
pub const JACKKNIFE_BLOCKS: u64 = 10;

/// Why features have no metric. Nothing here changes by trying again.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum MetricError {
    /// Features that overflowed, by seed (or row, where the file names no seeds).
    #[error(
        "non-finite features at {0}: the net or the detector overflowed there; sample them again in `fp32`"
    )]
    NonFinite(String),
    /// A fold got more or fewer rows than it was opened for.
    #[error("`{got}` rows of features where `{expected}` belong: the features are of another run")]
    Rows {
        /// Rows announced.
        expected: u64,
        /// Rows seen.
        got: u64,
    },
    /// One chunk's features are wider than another's.
    #[error("features of `{got}` dimensions after features of `{expected}`: two detectors are mixed")]
    Width {
        /// Width of the first chunk.
        expected: usize,
        /// Width of the odd one.
        got: usize,
    },
    /// See [`moments::MomentsError`].
    #[error(transparent)]
    Moments(#[from] moments::MomentsError),
    /// See [`frechet::FrechetError`].
    #[error(transparent)]
    Frechet(#[from] frechet::FrechetError),
}
