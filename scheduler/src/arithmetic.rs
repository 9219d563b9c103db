//! Runs whose stored chunks are of another arithmetic than this build's: finished ones are reported as what they are,
//! others are neither extended nor reduced.

use std::collections::{BTreeMap, BTreeSet};

use fidelis_contract::{
    arithmetic::{self, OtherArithmetic},
    ids::{ChunkIndex, RunId},
    keys,
    receipt::FIRST_ARITHMETIC,
    run::Run,
    spec::EngineKind,
};
use fidelis_fleet::{
    store::{Store, StoreError},
    stored::{self, UnreadError},
};

/// What is known of a run's stored chunks.
#[derive(Debug, Clone, Default)]
pub struct Stored {
    /// The arithmetic of each.
    pub found: BTreeMap<ChunkIndex, u32>,
    /// Whether none is missing.
    pub complete: bool,
}

/// Why a run cannot be gone on with.
#[derive(Debug, thiserror::Error)]
pub enum ArithmeticError {
    /// It holds chunks of another arithmetic.
    #[error(transparent)]
    Other(#[from] OtherArithmetic),
    /// It could not be found out.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<ArithmeticError> for UnreadError {
    fn from(error: ArithmeticError) -> Self {
        match error {
            ArithmeticError::Other(other) => other.into(),
            ArithmeticError::Store(error) => error.into(),
        }
    }
}

/// The one arithmetic of a run's chunks: this build's, or for a finished run another; `None` where nothing is stored.
///
/// # Errors
/// [`ArithmeticError::Other`] for chunks of another arithmetic in a run that is not finished, or of several; what kept
/// the store from answering.
pub async fn check(
    store: &Store,
    run: &RunId,
    engine: EngineKind,
    stored: &Stored,
) -> Result<Option<u32>, ArithmeticError> {
    let versions: BTreeSet<u32> = stored.found.values().copied().collect();
    let Some(other) = OtherArithmetic::among(run, engine, &stored.found) else {
        return Ok(versions.first().copied());
    };
    if versions.len() == 1 && stored.complete && is_finished(store, run).await? {
        return Ok(versions.first().copied());
    }
    Err(other.into())
}

/// As [`check`], of a run whose receipts were not read yet.
///
/// # Errors
/// As [`check`].
pub async fn check_stored(
    store: &Store,
    run: &Run,
    chunks: &BTreeSet<ChunkIndex>,
) -> Result<(), ArithmeticError> {
    // Nothing older can be there: their receipts need not be read.
    if arithmetic::of(run.spec.engine.kind()) == FIRST_ARITHMETIC {
        return Ok(());
    }
    let found = stored::arithmetics(store, &run.id, chunks.iter().copied()).await?;
    let stored = Stored { found, complete: run.missing(chunks).is_empty() };
    check(store, &run.id, run.spec.engine.kind(), &stored).await.map(drop)
}

/// Whether the run was reduced: a repair may have taken its `_SUCCESS` since.
async fn is_finished(store: &Store, run: &RunId) -> Result<bool, StoreError> {
    for key in [keys::success(run), keys::result(run)] {
        if store.get(&key).await?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}
