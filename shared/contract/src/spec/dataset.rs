//! What the engine `dataset` works from.

use super::{FileRef, Sampling};

/// Images that exist, through detectors.
#[derive(Debug, Clone, PartialEq)]
pub struct DatasetSpec {
    /// A ZIP, a folder, an `.npz` or an idx file.
    pub data: FileRef,
    /// Images that cannot be read are named and left out, instead of ending the run.
    pub allow_unreadable: bool,
    /// Read by nobody.
    pub sampling: Sampling,
}
