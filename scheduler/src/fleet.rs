//! A run as the control plane finds it in a fleet.

use std::collections::BTreeSet;

pub use fidelis_shared::fleet::{Fleet, FleetError};
use fidelis_shared::{
    ids::{ChunkIndex, RunId},
    keys,
    plan::Plan,
    spec::RunSpec,
    store::{Store, StoreError},
};

/// A run that the store knows, with its plan.
#[derive(Debug, Clone)]
pub struct StoredRun {
    /// Its id.
    pub run: RunId,
    /// Its spec, resolved.
    pub spec: RunSpec,
    /// How it is cut.
    pub plan: Plan,
}

impl StoredRun {
    /// The run of a resolved spec.
    pub fn new(spec: RunSpec) -> Self {
        Self { run: spec.run_id(), plan: Plan::new(&spec), spec }
    }

    /// How many images the given chunks hold.
    pub fn num_images(&self, chunks: &BTreeSet<ChunkIndex>) -> u64 {
        self.with_images(chunks).into_iter().map(|(_, num_images)| num_images).sum()
    }

    /// The given chunks with the images that each holds.
    pub fn with_images(&self, chunks: &BTreeSet<ChunkIndex>) -> Vec<(ChunkIndex, u64)> {
        let images = |&index| Some((index, self.plan.chunk(index)?.seeds.len()));
        chunks.iter().filter_map(images).collect()
    }

    /// The chunks that are not among the given ones.
    pub fn missing(&self, chunks: &BTreeSet<ChunkIndex>) -> Vec<ChunkIndex> {
        (0..self.plan.num_chunks()).filter(|index| !chunks.contains(index)).collect()
    }
}

/// The chunks whose receipts the store has: what resume is made of.
///
/// # Errors
/// What kept the store from answering.
pub async fn stored_chunks(store: &Store, run: &RunId) -> Result<BTreeSet<ChunkIndex>, StoreError> {
    let folder = store.folder(&keys::receipts_prefix(run)).await?;
    Ok(folder.objects.iter().filter_map(|object| keys::parse_receipt_key(&object.key)).collect())
}

/// Whether the run is cancelled, and not submitted again since. Redis says so too, unless it lost it.
///
/// # Errors
/// What kept the store from answering.
pub async fn is_cancelled(store: &Store, run: &RunId) -> Result<bool, StoreError> {
    Ok(store.get(&keys::cancelled(run)).await?.is_some())
}
