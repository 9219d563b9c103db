//! What lies in the store of a run, read without believing any of it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use fidelis_contract::{
    ids::{ChunkIndex, Digest, RunId},
    keys,
    kind::Kind,
    manifest::Manifest,
    receipt::Receipt,
    result::RunResult,
};
use fidelis_fleet::store::Store;

/// Everything under a run's prefix.
#[derive(Debug)]
pub struct Facts {
    pub keys: BTreeSet<String>,
    /// By chunk, with the digest of the receipt's bytes.
    pub receipts: BTreeMap<ChunkIndex, (Receipt, Digest)>,
    /// Digests of the bytes that are there.
    pub objects: BTreeMap<(ChunkIndex, Kind), Digest>,
    pub manifest: Option<Manifest>,
    pub result: Option<RunResult>,
    /// Digest of each detector's statistics file: mu and sigma.
    pub stats: BTreeMap<String, Digest>,
    /// What `_SUCCESS` says.
    pub success: Option<String>,
}

impl Facts {
    pub async fn read(store: &Store, run: &RunId) -> Result<Self> {
        let listed = store.list(&keys::run_prefix(run)).await?;
        let keys: BTreeSet<String> = listed.into_iter().map(|object| object.key).collect();
        let mut facts = Self {
            keys,
            receipts: BTreeMap::new(),
            objects: BTreeMap::new(),
            manifest: get(store, &keys::manifest(run)).await?.map(|b| Manifest::from_json(&b)).transpose()?,
            result: get(store, &keys::result(run)).await?.map(|b| RunResult::from_json(&b)).transpose()?,
            stats: BTreeMap::new(),
            success: get(store, &keys::success(run)).await?.map(String::from_utf8).transpose()?,
        };
        for key in facts.keys.clone() {
            let bytes =
                get(store, &key).await?.with_context(|| format!("`{key}` is listed and not there"))?;
            let digest = Digest::of(&bytes);
            if let Some(chunk) = keys::parse_receipt_key(&key) {
                let receipt = Receipt::from_json(&bytes).with_context(|| format!("I2 content: `{key}`"))?;
                facts.receipts.insert(chunk, (receipt, digest));
            } else if let Some((chunk, kind)) = parse_object_key(&key) {
                facts.objects.insert((chunk, kind), digest);
            } else if let Some(detector) = key.rsplit('/').next().and_then(|name| name.strip_suffix(".npz")) {
                facts.stats.insert(detector.to_owned(), digest);
            }
        }
        Ok(facts)
    }
}

async fn get(store: &Store, key: &str) -> Result<Option<Vec<u8>>> {
    Ok(store.get(key).await?.map(|bytes| bytes.to_vec()))
}

/// `…/chunks/<kind>/<NNNNNN>.safetensors`
fn parse_object_key(key: &str) -> Option<(ChunkIndex, Kind)> {
    let mut parts = key.rsplit('/');
    let chunk = parts.next()?.strip_suffix(".safetensors")?.parse().ok()?;
    Some((chunk, parts.next()?.parse().ok()?))
}
