//! A run's receipts, by one listing.

use std::collections::HashMap;

use bytes::Bytes;

use crate::store::Store;
use fidelis_contract::{
    ids::{Digest, RunId},
    keys,
    manifest::StoredReceipt,
    receipt::Receipt,
};

use super::{StoredError, fetch};

/// The receipts that there are, and what lies beside them.
#[derive(Debug)]
pub struct Receipts {
    /// In chunk order.
    pub stored: Vec<StoredReceipt>,
    /// Lengths by key. An object is put before the receipt that names it, so one listing has both.
    sizes: HashMap<String, u64>,
}

/// Every receipt there is.
pub async fn load(store: &Store, run: &RunId) -> Result<Receipts, StoredError> {
    let listed = store.list(&keys::receipts_prefix(run)).await?;
    let mut chunks: Vec<u32> =
        listed.iter().filter_map(|object| keys::parse_receipt_key(&object.key)).collect();
    chunks.sort_unstable();
    let keys: Vec<String> = chunks.into_iter().map(|chunk| keys::receipt(run, chunk)).collect();
    let stored = fetch::all(store, &keys, read).await?;
    Ok(Receipts { stored, sizes: listed.into_iter().map(|object| (object.key, object.num_bytes)).collect() })
}

fn read(key: &str, bytes: &Bytes) -> Result<StoredReceipt, StoredError> {
    let receipt =
        Receipt::from_json(bytes).map_err(|source| StoredError::Receipt { key: key.to_owned(), source })?;
    Ok(StoredReceipt { receipt, sha256: Digest::of(bytes) })
}

impl Receipts {
    /// Checks that every object of every receipt is there with its length, without reading any.
    pub fn check_sizes(&self, run: &RunId) -> Result<(), StoredError> {
        for StoredReceipt { receipt, .. } in &self.stored {
            for (kind, object) in &receipt.objects {
                let key = keys::chunk(run, kind, receipt.chunk);
                match self.sizes.get(&key) {
                    None => return Err(StoredError::Gone { key }),
                    Some(&num_bytes) if num_bytes != object.num_bytes => {
                        let (expected, found) =
                            (format!("{} bytes", object.num_bytes), format!("{num_bytes} bytes"));
                        return Err(StoredError::Altered { key, expected, found });
                    }
                    Some(_) => {}
                }
            }
        }
        Ok(())
    }
}
