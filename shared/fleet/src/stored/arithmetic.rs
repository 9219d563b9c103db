//! Which arithmetic the stored chunks of a run are of.

use std::collections::BTreeMap;

use fidelis_contract::{
    ids::{ChunkIndex, RunId},
    keys,
};
use serde::Deserialize;
use tokio::task::JoinSet;

use crate::store::{Store, StoreError};

/// Receipts read at once.
const WIDTH: usize = 16;

/// The arithmetic of stored chunks. Receipts that are gone or cannot be read are left out: those who need them whole
/// say so.
///
/// # Errors
/// What kept the store from answering.
pub async fn arithmetics(
    store: &Store,
    run: &RunId,
    chunks: impl IntoIterator<Item = ChunkIndex>,
) -> Result<BTreeMap<ChunkIndex, u32>, StoreError> {
    #[derive(Deserialize)]
    struct Told {
        #[serde(default = "fidelis_contract::receipt::first_arithmetic")]
        arithmetic: u32,
    }
    let (mut waiting, mut under_way, mut found) = (chunks.into_iter(), JoinSet::new(), BTreeMap::new());
    loop {
        while under_way.len() < WIDTH
            && let Some(chunk) = waiting.next()
        {
            let (store, key) = (store.clone(), keys::receipt(run, chunk));
            under_way.spawn(async move { Ok::<_, StoreError>((chunk, store.get(&key).await?)) });
        }
        match under_way.join_next().await {
            None => return Ok(found),
            Some(Err(_)) => {}
            Some(Ok(read)) => {
                let (chunk, bytes) = read?;
                let told = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
                found.extend(told.map(|Told { arithmetic }| (chunk, arithmetic)));
            }
        }
    }
}
