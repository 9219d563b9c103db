//! What must hold at every moment, not only at the end.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use fidelis_contract::{
    ids::{Digest, RunId},
    keys,
};
use fidelis_fleet::{queue::Queue, store::Store};

use crate::lab::Lab;

/// Looks past the proxies.
#[derive(Debug)]
pub(super) struct Monitor {
    queue: Queue,
    store: Store,
    /// The digest that each receipt had when it was first seen.
    receipts: BTreeMap<String, Digest>,
}

impl Monitor {
    pub(super) async fn new(lab: &Lab) -> Result<Self> {
        Ok(Self { queue: lab.queue().await?, store: lab.store().await?, receipts: BTreeMap::new() })
    }

    /// # Errors
    /// The promise that is broken now.
    pub(super) async fn look(&mut self, run: &RunId) -> Result<()> {
        // First what is acknowledged, then what is stored: that can only have grown.
        let progress = self.queue.progress(run).await;
        let listed = self.store.list(&keys::receipts_prefix(run)).await?;
        let receipts: Vec<&str> = listed
            .iter()
            .map(|object| object.key.as_str())
            .filter(|key| keys::parse_receipt_key(key).is_some())
            .collect();
        // It may be away just now.
        if let Ok(Some(progress)) = progress {
            let (done, stored) = (progress.done_chunks, receipts.len() as u64);
            ensure!(
                done <= stored,
                "I10 conservation: `{done}` chunks of `{run}` are acknowledged, `{stored}` are stored"
            );
        }
        for key in receipts {
            if let Some(bytes) = self.store.get(key).await? {
                let now = Digest::of(&bytes);
                let first = *self.receipts.entry(key.to_owned()).or_insert(now);
                ensure!(now == first, "I4 single commit: `{key}` was there already and has other bytes now");
            }
        }
        Ok(())
    }
}
