//! What a control plane talks to: a queue that may be lost, and a store that may not.

use fidelis_contract::outcome::{Class, Outcome};

use crate::{
    queue::{Queue, QueueError, QueueSettings},
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

impl Outcome for FleetError {
    fn class(&self) -> Class {
        match self {
            Self::Queue(error) => error.class(),
            Self::Store(error) => error.class(),
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
