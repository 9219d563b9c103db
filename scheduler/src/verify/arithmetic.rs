//! Chunks of another arithmetic than this build's: faults of a run that is not finished.

use std::collections::{BTreeMap, BTreeSet};

use fidelis_contract::{arithmetic, ids::ChunkIndex, keys, run::Run, spec::EngineKind};
use fidelis_fleet::{
    store::{Store, StoreError},
    stored::expectation::{Digests, Note},
};

use super::{Fault, FaultKind};
use crate::arithmetic::{ArithmeticError, Stored, check};

/// What lies in the store.
#[derive(Debug)]
pub(super) struct Found {
    pub arithmetics: Stored,
    /// Chunks of which objects are there, and no receipt.
    pub orphans: BTreeSet<ChunkIndex>,
}

impl Found {
    /// Adds a fault for each chunk that has to be made anew; else gives the arithmetic of the run.
    pub async fn check(
        &self,
        store: &Store,
        run: &Run,
        faults: &mut Vec<Fault>,
    ) -> Result<Option<u32>, StoreError> {
        match check(store, &run.id, run.spec.engine.kind(), &self.arithmetics).await {
            Ok(of_run) => return Ok(of_run),
            Err(ArithmeticError::Store(error)) => return Err(error),
            Err(ArithmeticError::Other(_)) => {}
        }
        let made = arithmetic::of(run.spec.engine.kind());
        let others = self.arithmetics.found.iter().filter(|(_, found)| **found != made);
        let others = others.map(|(chunk, found)| {
            let detail = format!(
                "is of arithmetic `{found}` where this build makes `{made}`, and the run is not finished"
            );
            (*chunk, detail)
        });
        // Who left these is not known; as likely as not it was the build that left the others.
        let orphan = |chunk: &ChunkIndex| (*chunk, "is not there, and its objects may be as old".to_owned());
        faults.extend(others.chain(self.orphans.iter().map(orphan)).map(|(chunk, detail)| {
            let fault = Fault::new(FaultKind::Arithmetic, &keys::receipt(&run.id, chunk), detail);
            Fault { chunk: Some(chunk), ..fault }
        }));
        Ok(None)
    }

    /// What faulty chunks have to be again, as notes. A chunk whose receipt cannot be read is taken for one like the
    /// others.
    pub fn notes(
        &self,
        engine: EngineKind,
        digests: BTreeMap<ChunkIndex, Digests>,
    ) -> BTreeMap<ChunkIndex, Note> {
        let found = &self.arithmetics.found;
        let usual = found.values().next().copied().unwrap_or_else(|| arithmetic::of(engine));
        let known = digests.into_iter().filter(|(_, digests)| !digests.is_empty());
        let note =
            |(chunk, digests)| (chunk, Note::new(found.get(&chunk).copied().unwrap_or(usual), digests));
        known.map(note).collect()
    }
}
