//! Why averages cannot be reconstructed.

use std::path::PathBuf;

use fidelis_contract::outcome::{Class, Outcome};

use crate::checkpoint::{CheckpointError, TensorFileError};
use crate::train::outdir::OutdirError;

#[derive(Debug, thiserror::Error)]
pub enum PosthocError {
    #[error(transparent)]
    Place(#[from] OutdirError),
    #[error(
        "`{0}` holds no snapshots: expected files such as `network-snapshot-0008388-0.050.pkl` or `….safetensors`"
    )]
    Empty(PathBuf),
    #[error(
        "`{folder}` holds snapshots of several nets, `{one}-…` and `{other}-…`: put each net's into a folder of its own"
    )]
    Prefixes { folder: PathBuf, one: String, other: String },
    #[error("`{one}` and `{other}` are the same snapshot: move one of them away")]
    Twice { one: PathBuf, other: PathBuf },
    #[error(
        "`{folder}` lacks the snapshot `{name}`, which the others ask for: each time needs an average of each width"
    )]
    Lacking { folder: PathBuf, name: String },
    #[error("no snapshot was taken at `{kimg}` kimg: there are those of {found}")]
    NoSuchTime { kimg: u64, found: String },
    #[error("`{sigma_rel}` is no relative width: expected more than 0 and less than 0.288")]
    Width { sigma_rel: f64 },
    #[error(
        "the {count} snapshots cannot express σ_rel `{sigma_rel}`: the best average of them is off by {:.0} % \
         (‖difference‖ over ‖profile‖); take more of them, or another width",
        misfit * 100.0
    )]
    Misfit { sigma_rel: f64, count: usize, misfit: f64 },
    #[error("the profiles of the {count} snapshots cannot be told apart in float64: take fewer of them")]
    Singular { count: usize },
    #[error("`{one}` and `{other}` are not of one net: {difference}")]
    Mixed { one: PathBuf, other: PathBuf, difference: String },
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(transparent)]
    File(#[from] TensorFileError),
}

impl Outcome for PosthocError {
    fn class(&self) -> Class {
        match self {
            Self::Place(error) => error.class(),
            Self::Checkpoint(error) => error.class(),
            Self::File(error) => error.class(),
            _ => Class::Usage,
        }
    }
}
