//! Is a stored run what it says? Every object is read: receipts against the plan and the manifest, objects against
//! their receipts, `_SUCCESS` against the manifest, and nothing beside them. Reading changes nothing; [`repair`] sets
//! aside what is damaged, so that submitting the run makes those chunks again, and those alone.

mod arithmetic;
mod chunk;
mod derived;
mod fault;
mod repair;
mod training;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use fidelis_contract::{
    exit,
    ids::{ChunkIndex, RunId},
    keys,
    kind::Kind,
    manifest::ManifestEntry,
    outcome::{Class, Outcome},
    result::OtherMicroBatch,
    run::Run,
};
use fidelis_fleet::{
    store::{Store, StoreError},
    stored::{
        StoredError,
        expectation::{self, Digests, Note},
    },
};
use serde::Serialize;
use tokio::task::JoinSet;

pub use fault::{Fault, FaultKind};
pub use repair::{Moved, Repaired, repair};

use crate::arithmetic::Stored;
use arithmetic::Found;
use chunk::{Finding, Subject};
use derived::Derived;

/// Chunks read at once.
const WIDTH: usize = 16;

/// What was found.
#[derive(Debug, Clone, Serialize)]
pub struct Verification {
    /// Of which run.
    pub run: RunId,
    /// Chunks of the plan.
    pub num_chunks: ChunkIndex,
    /// Chunks that have a receipt.
    pub stored_chunks: u64,
    /// Images of the plan.
    pub num_images: u64,
    /// Objects read, receipts included.
    pub num_objects: u64,
    /// Bytes read.
    pub num_bytes: u64,
    /// Whether `_SUCCESS` is there.
    pub success: bool,
    /// Chunks without a receipt.
    pub missing: Vec<ChunkIndex>,
    /// Chunks made with a smaller micro-batch than the spec's: no fault, but their last bits may differ (D2).
    pub other_micro_batch: Vec<OtherMicroBatch>,
    /// Everything that is wrong, by chunk.
    pub faults: Vec<Fault>,
    /// The arithmetic of the chunks, where it is one and not this build's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other_arithmetic: Option<u32>,
    /// What the objects of faulty chunks should be, as far as anything tells.
    #[serde(skip)]
    digests: BTreeMap<ChunkIndex, Note>,
    /// What each chunk has.
    #[serde(skip)]
    kinds: Vec<Kind>,
}

impl Verification {
    /// 0 clean and complete · 5 clean as far as it goes · 6 faulty.
    pub fn exit_code(&self) -> u8 {
        match (self.faults.is_empty(), self.missing.is_empty()) {
            (false, _) => exit::INTEGRITY,
            (true, false) => exit::INCOMPLETE,
            (true, true) => exit::DONE,
        }
    }
}

/// Why a run could not be verified or repaired: not what is wrong with it.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// S3.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// S3, on the way to what was noted of earlier damage.
    #[error(transparent)]
    Stored(#[from] StoredError),
    /// A failure of our own.
    #[error("verifying stopped: {0}; run it again")]
    Internal(String),
}

impl Outcome for VerifyError {
    fn class(&self) -> Class {
        match self {
            Self::Store(error) => error.class(),
            Self::Stored(error) => error.class(),
            Self::Internal(_) => Class::Passing,
        }
    }
}

/// Reads and checks a whole run. One that is being made meanwhile is verified as far as it goes.
///
/// # Errors
/// What kept the store from answering; faults are no errors.
pub async fn verify(store: &Store, run: &Run) -> Result<Verification, VerifyError> {
    let Derived { manifest, success, mut faults } = derived::check(store, run).await?;
    let first = expectation::load(store, &run.id, run.spec.engine.kind()).await?;
    let listed = store.list(&keys::receipts_prefix(&run.id)).await?;
    let listed: BTreeSet<String> = listed.into_iter().map(|object| object.key).collect();
    let entries = manifest.into_iter().flat_map(|manifest| manifest.chunks);
    let known = Known {
        store: store.clone(),
        run: run.clone(),
        entries: entries.map(|entry| (entry.chunk, entry)).collect(),
        first,
    };
    let (findings, strays) = known.check_all(listed).await?;
    faults.extend(strays);
    let (mut num_objects, mut num_bytes, mut receipts) = (0, 0, Vec::new());
    let (mut faulty, mut orphans) = (BTreeMap::new(), BTreeSet::new());
    let mut missing: BTreeSet<ChunkIndex> = (0..run.plan.num_chunks()).collect();
    for finding in findings {
        (num_objects, num_bytes) = (num_objects + finding.num_objects, num_bytes + finding.num_bytes);
        if finding.has_receipt {
            missing.remove(&finding.chunk);
        } else {
            orphans.insert(finding.chunk);
        }
        if !finding.faults.is_empty() {
            faulty.insert(finding.chunk, finding.digests);
        }
        faults.extend(finding.faults);
        receipts.extend(finding.receipt.map(|stored| stored.receipt));
    }
    if success && !missing.is_empty() {
        let detail = format!("is there though {} chunks are not", missing.len());
        faults.push(Fault::new(FaultKind::Derived, &keys::success(&run.id), detail));
    }
    receipts.sort_by_key(|receipt| receipt.chunk);
    let found = receipts.iter().map(|receipt| (receipt.chunk, receipt.arithmetic)).collect();
    let found = Found { arithmetics: Stored { found, complete: missing.is_empty() }, orphans };
    let of_run = found.check(store, run, &mut faults).await?;
    let digests = found.notes(run.spec.engine.kind(), faulty);
    faults.sort_by(|a, b| (a.chunk, &a.key, a.kind).cmp(&(b.chunk, &b.key, b.kind)));
    Ok(Verification {
        run: run.id.clone(),
        num_chunks: run.plan.num_chunks(),
        stored_chunks: u64::from(run.plan.num_chunks()) - missing.len() as u64,
        num_images: run.plan.num_images(),
        num_objects,
        num_bytes,
        success,
        missing: missing.into_iter().collect(),
        other_micro_batch: OtherMicroBatch::among(&run.spec, &receipts),
        faults,
        other_arithmetic: of_run
            .filter(|of_run| *of_run != fidelis_contract::arithmetic::of(run.spec.engine.kind())),
        digests,
        kinds: run.spec.kinds(),
    })
}

/// What is known before the chunks are read.
struct Known {
    store: Store,
    run: Run,
    entries: BTreeMap<ChunkIndex, ManifestEntry>,
    first: BTreeMap<ChunkIndex, Digests>,
}

impl Known {
    /// Checks every chunk that has anything; what belongs to none is a stray.
    async fn check_all(
        self,
        mut listed: BTreeSet<String>,
    ) -> Result<(Vec<Finding>, Vec<Fault>), VerifyError> {
        let known = Arc::new(self);
        let (mut under_way, mut findings) = (JoinSet::new(), Vec::new());
        for index in 0..known.run.plan.num_chunks() {
            let ours: BTreeSet<String> =
                known.keys_of(index).into_iter().filter_map(|key| listed.take(&key)).collect();
            if ours.is_empty() {
                continue;
            }
            let known = known.clone();
            under_way.spawn(async move { known.check_one(index, ours).await });
            if under_way.len() >= WIDTH {
                findings.extend(next(&mut under_way).await?);
            }
        }
        while let Some(finding) = next(&mut under_way).await? {
            findings.push(finding);
        }
        let stray = |key: String| Fault::new(FaultKind::Stray, &key, "belongs to no chunk of the plan");
        Ok((findings, listed.into_iter().map(stray).collect()))
    }

    async fn check_one(&self, index: ChunkIndex, listed: BTreeSet<String>) -> Result<Finding, StoreError> {
        let Some(chunk) = self.run.plan.chunk(index) else { return Ok(Finding::default()) };
        let (entry, first) = (self.entries.get(&index), self.first.get(&index));
        Subject { store: &self.store, run: &self.run, chunk, listed, entry, first }.check().await
    }

    fn keys_of(&self, index: ChunkIndex) -> Vec<String> {
        let run = &self.run.id;
        let kinds = self.run.spec.kinds();
        let objects = kinds.iter().map(|kind| keys::chunk(run, kind, index));
        objects.chain([keys::receipt(run, index)]).collect()
    }
}

async fn next(under_way: &mut JoinSet<Result<Finding, StoreError>>) -> Result<Option<Finding>, VerifyError> {
    match under_way.join_next().await {
        Some(Ok(finding)) => Ok(Some(finding?)),
        Some(Err(error)) => Err(VerifyError::Internal(error.to_string())),
        None => Ok(None),
    }
}
