//! What the control plane talks to: a queue that may be lost, and a store that may not.

use std::collections::BTreeSet;

use fidelis_shared::{
    ids::{ChunkIndex, RunId},
    keys,
    plan::Plan,
    queue::{Queue, QueueError, QueueSettings},
    spec::RunSpec,
    store::{Store, StoreConfig, StoreError},
};

/// A fleet as its scheduler sees it; workers come and go by themselves.
#[derive(Debug, Clone)]
pub struct Fleet {
    /// What is still missing.
    pub queue: Queue,
    /// What exists.
    pub store: Store,
}

/// Why a fleet cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// Redis.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// S3.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl FleetError {
    /// True when the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Queue(error) => error.is_retryable(),
            Self::Store(error) => error.is_retryable(),
        }
    }

    /// The exit code of a command that this error ends.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Queue(error) => error.exit_code(),
            Self::Store(error) => error.exit_code(),
        }
    }
}

impl Fleet {
    /// Connects to both, and checks what a run relies on.
    ///
    /// # Errors
    /// Either cannot be reached or used.
    pub async fn connect(
        redis_url: &str,
        settings: QueueSettings,
        store: StoreConfig,
    ) -> Result<Self, FleetError> {
        let queue = Queue::connect(redis_url, settings).await?;
        let store = Store::connect(store).await?;
        store.probe().await?;
        Ok(Self { queue, store })
    }
}

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
