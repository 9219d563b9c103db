//! What is wrong with a stored run.

use std::fmt;

use fidelis_contract::ids::ChunkIndex;
use serde::Serialize;

/// What kind of wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// A receipt names an object that is not there.
    Gone,
    /// An object holds other bytes than were written (I2).
    Altered,
    /// An object cannot be read as what its key says.
    Damaged,
    /// A snapshot of a training that no state that is left leads to.
    Lost,
    /// A receipt is not what the plan asks for (I1).
    Contradiction,
    /// A chunk of another arithmetic than this build's, in a run that is not finished; or what may be part of one.
    Arithmetic,
    /// A chunk that was made again is not what it was at first.
    Nondeterminism,
    /// An object that no chunk of the plan has (I4).
    Stray,
    /// Manifest, statistics, result, reports or `_SUCCESS` do not stand for what is stored (I5).
    Derived,
}

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// What kind.
    pub kind: FaultKind,
    /// Which object.
    pub key: String,
    /// Of which chunk, if of one.
    pub chunk: Option<ChunkIndex>,
    /// One line.
    pub detail: String,
}

impl Fault {
    /// A fault of no chunk in particular; whose it is, its finder adds.
    pub(super) fn new(kind: FaultKind, key: &str, detail: impl Into<String>) -> Self {
        Self { kind, key: key.to_owned(), chunk: None, detail: detail.into() }
    }

    /// Whether setting the chunk's damaged objects aside and making it again mends this.
    pub fn is_repairable(&self) -> bool {
        !matches!(self.kind, FaultKind::Nondeterminism | FaultKind::Lost)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.key, self.detail)
    }
}
