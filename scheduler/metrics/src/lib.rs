//! Feature rows in, distances out, in float64 throughout: moments per chunk ([`moments`]), folded in seed order into
//! those of the run and of its blocks ([`fold`]), compared as Gaussians ([`frechet`]) with an error bar ([`jackknife`]).
//! Other metrics look at every image of a [`FeatureSet`]: a file each, named in the [`registry`], several of them at once
//! by [`measure`]. What compares images with images does so a block against a block, never all with all in memory.

pub mod authenticity;
pub mod balls;
pub mod density_coverage;
pub mod duplicates;
mod factor;
mod features;
pub mod fid_infinity;
pub mod fold;
pub mod frechet;
pub mod inception_score;
pub mod jackknife;
mod kernel;
pub mod kid;
mod linalg;
pub mod measure;
mod measured;
pub mod moments;
mod nearest;
pub mod neighbours;
pub mod per_class;
pub mod precision_recall;
pub mod random;
pub mod registry;
mod rows;
pub mod student;
mod tangent;
mod tile;

pub use features::FeatureSet;
pub use fold::{FeatureChunk, Fold, Folded, RowNames};
pub use frechet::{Frechet, Gaussian};
pub use measure::Inputs;
pub use measured::Measured;
pub use moments::Moments;
pub use registry::{Metric, Needs};

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
    /// Too few images for a metric.
    #[error("`{n}` images where at least `{needed}` are needed: evaluate more")]
    TooFew {
        /// There are.
        n: usize,
        /// There should be.
        needed: usize,
    },
    /// Not as many other images as neighbours.
    #[error("`{k}` nearest neighbours among `{n}` images: ask for `1` to one less than there are")]
    Neighbours {
        /// Asked for.
        k: usize,
        /// Images there are.
        n: usize,
    },
    /// Nothing to compare with.
    #[error("there is nothing of the reference that it is compared with: give features of real images")]
    NoReference,
    /// No class scores without it.
    #[error("class scores need the last layer of Inception: give its weights")]
    NoLastLayer,
    /// Weights of another shape.
    #[error(
        "a last layer of `{len}` weights for `{dim}` features, or one that is not finite: give Inception's own"
    )]
    LastLayer {
        /// Weights there are.
        len: usize,
        /// Features they are for.
        dim: usize,
    },
    /// The classes of the images are not known.
    #[error(
        "the classes of its images are not known: give a run, or a features file with `labels`, an integer for each row"
    )]
    NoLabels,
    /// No class has enough images on both sides.
    #[error(
        "no class has more than `{dim}` images on both sides, and with fewer a distance tells of their number alone: evaluate more"
    )]
    SmallClasses {
        /// Features per image.
        dim: usize,
    },
    /// See [`moments::MomentsError`].
    #[error(transparent)]
    Moments(#[from] moments::MomentsError),
    /// See [`frechet::FrechetError`].
    #[error(transparent)]
    Frechet(#[from] frechet::FrechetError),
}

fidelis_contract::usage_errors!(MetricError);
