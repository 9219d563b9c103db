//! Bringing a chunk into the store: data first, the receipt last.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use fidelis_contract::{
    arithmetic,
    ids::Digest,
    keys,
    kind::Kind,
    outcome::Outcome,
    payload::{ChunkObject, Dtype},
    plan::Chunk,
    receipt::{self, Receipt, StoredFile, StoredObject},
    run::Run,
};
use fidelis_fleet::{
    failpoint::{Point, reach},
    retry::Backoff,
    store::StoreError,
};
use tokio::{select, time::Instant, time::sleep};

use super::{common::Common, device::Made, hand::Hand, setback::Setback};

/// What a training leaves for good begins so.
const SNAPSHOTS: &str = "network-snapshot-";
/// How long credentials that the store no longer takes are waited for with a chunk in hand.
const RENEWAL: Duration = Duration::from_secs(60);

/// Evaluates a future's expression until the store answers: what was computed is not thrown away for an outage. Ends when
/// the chunk is in other hands, or we have to stop; and for credentials, which somebody has to renew, after a minute.
/// A macro, because futures made by a closure would not be `Send`.
macro_rules! persevering {
    ($commit:expr, $operation:expr) => {{
        let mut patience = Patience::of($commit.hand);
        loop {
            if let Some(result) = patience.judge($operation.await).await {
                break result;
            }
        }
    }};
}

/// A chunk as it is brought into the store.
#[derive(Debug)]
pub struct Commit<'a> {
    /// Where to, and whose work it is.
    pub common: &'a Common,
    /// The delivery it was made for.
    pub hand: &'a Hand,
    /// What it is a part of.
    pub run: &'a Run,
    /// What was to be made.
    pub chunk: &'a Chunk,
}

impl Commit<'_> {
    /// True when the store has the receipt of this very chunk: somebody finished it and could not say so. A store that does
    /// not answer is waited for if `is_patient`.
    ///
    /// # Errors
    /// [`Setback::Hopeless`] for a receipt of something else; what kept the store from answering.
    pub async fn is_stored(&self, is_patient: bool) -> Result<bool, Setback> {
        let (store, key) = (&self.common.store, self.receipt_key());
        let found = if is_patient { persevering!(self, store.get(&key))? } else { store.get(&key).await? };
        let Some(bytes) = found else { return Ok(false) };
        let receipt = Receipt::from_json(&bytes)?;
        if receipt.spec_digest != self.hand.claim.task.spec_digest || receipt.seeds != self.chunk.seeds {
            return Err(Setback::Hopeless(format!(
                "`{key}` is not of this run's plan: something else writes here"
            )));
        }
        Ok(true)
    }

    /// Stores every object and then the receipt, which says how long the making `took`. Bytes that are there already are as
    /// good as ours (I4).
    ///
    /// # Errors
    /// [`Setback::Hopeless`] when the store has other bytes: nondeterminism, with both digests.
    pub async fn store(&self, made: Made, took: Duration) -> Result<(), Setback> {
        let (unreadable, labels, mut tensors) =
            (made.output.unreadable, made.output.labels, made.output.tensors);
        let lacks = |seed: &u64| unreadable.iter().any(|image| image.seed == *seed);
        let seeds: Vec<u64> = self.chunk.seeds.iter().filter(|seed| !lacks(seed)).collect();
        let mut objects = BTreeMap::new();
        for kind in self.run.spec.kinds() {
            let data = tensors.remove(&kind);
            let data = data.ok_or_else(|| Setback::Fault(format!("the engine made no `{kind}`")))?;
            let object = ChunkObject { seeds: seeds.clone(), labels: labels.clone(), data };
            check_finite(&kind, &object)?;
            reach(Point::WorkerBeforePut, Some(self.chunk.index));
            let stored = self.put(&kind, &object).await?;
            objects.insert(kind, stored);
        }
        reach(Point::WorkerAfterPutBeforeReceipt, Some(self.chunk.index));
        self.put_receipt(&Receipt {
            version: receipt::VERSION,
            arithmetic: arithmetic::of(self.run.spec.engine.kind()),
            run: self.run.id.clone(),
            chunk: self.chunk.index,
            spec_digest: self.hand.claim.task.spec_digest,
            seeds: self.chunk.seeds.clone(),
            unreadable,
            objects,
            files: self.training_files().await?,
            noise_sha256: made.output.noise_sha256,
            device: made.device,
            maker: Some(made.maker),
            worker: self.common.settings.name.clone(),
            micro_batch: made.micro_batch,
            seconds: took.as_secs_f64(),
            attempt: self.hand.claim.deliveries,
        })
        .await
    }

    /// What a training left that is to stay.
    async fn training_files(&self) -> Result<BTreeMap<String, StoredFile>, Setback> {
        let mut files = BTreeMap::new();
        if self.run.spec.engine.train().is_none() {
            return Ok(files);
        }
        let prefix = keys::training_prefix(&self.run.id);
        let store = &self.common.store;
        let folder = persevering!(self, store.folder(&prefix))?;
        for object in folder.objects {
            let name = object.key.strip_prefix(&prefix).unwrap_or_default();
            if !name.starts_with(SNAPSHOTS) {
                continue;
            }
            let found = persevering!(self, store.digest(&object.key, object.num_bytes))?;
            let sha256 = found.ok_or_else(|| Setback::Environment(format!("`{}` went away", object.key)))?;
            files.insert(name.to_owned(), StoredFile { sha256, num_bytes: object.num_bytes });
        }
        Ok(files)
    }

    async fn put(&self, kind: &Kind, object: &ChunkObject) -> Result<StoredObject, Setback> {
        let bytes = Bytes::from(object.encode(kind)?);
        let key = keys::chunk(&self.run.id, kind, self.chunk.index);
        Ok(StoredObject {
            sha256: self.create(&key, &bytes).await?,
            num_bytes: bytes.len() as u64,
            dtype: object.data.dtype,
            shape: object.data.shape.clone(),
        })
    }

    /// Two workers' receipts differ in names and times; they agree when they name the same objects.
    async fn put_receipt(&self, ours: &Receipt) -> Result<(), Setback> {
        let key = self.receipt_key();
        let conflict = match self.create(&key, &Bytes::from(ours.to_json()?)).await {
            Err(conflict @ Setback::Hopeless(_)) => conflict,
            other => return other.map(drop),
        };
        let theirs = persevering!(self, self.common.store.get(&key))?;
        match theirs.as_deref().map(Receipt::from_json).transpose()? {
            Some(theirs)
                if theirs.objects == ours.objects
                    && theirs.files == ours.files
                    && theirs.seeds == ours.seeds =>
            {
                Ok(())
            }
            _ => Err(conflict),
        }
    }

    /// Gives the digest of what the store then has.
    async fn create(&self, key: &str, bytes: &Bytes) -> Result<Digest, Setback> {
        let sha256 = Digest::of(bytes);
        persevering!(self, self.common.store.create_hashed(key, bytes, sha256))?;
        Ok(sha256)
    }

    fn receipt_key(&self) -> String {
        keys::receipt(&self.run.id, self.chunk.index)
    }
}

/// How long a store that does not answer has been waited for.
#[derive(Debug)]
struct Patience<'a> {
    hand: &'a Hand,
    start: Instant,
    failures: u32,
}

impl<'a> Patience<'a> {
    fn of(hand: &'a Hand) -> Self {
        Self { hand, start: Instant::now(), failures: 0 }
    }

    /// What an operation came to; `None`: it is to be tried again, now.
    async fn judge<T>(&mut self, result: Result<T, StoreError>) -> Option<Result<T, Setback>> {
        let error = match result {
            Err(error) if error.is_retryable() => error,
            result => {
                self.hand.note_store(true);
                return Some(result.map_err(Setback::from));
            }
        };
        if matches!(error, StoreError::Expired { .. }) && self.start.elapsed() > RENEWAL {
            return Some(Err(error.into()));
        }
        self.hand.note_store(false);
        self.failures += 1;
        tracing::warn!("{error}; trying again");
        select! {
            reason = self.hand.cancel.raised() => Some(Err(Setback::cancelled(Some(reason)))),
            () = sleep(Backoff::default().bound(self.failures + 3)) => None,
        }
    }
}

/// One value that is no number would spoil the statistics of the whole run.
fn check_finite(kind: &Kind, object: &ChunkObject) -> Result<(), Setback> {
    if object.data.dtype != Dtype::F32 || object.seeds.is_empty() {
        return Ok(());
    }
    let is_finite = |bytes: &[u8; 4]| f32::from_le_bytes(*bytes).is_finite();
    let (values, _) = object.data.data.as_chunks::<4>();
    let Some(bad) = values.iter().position(|bytes| !is_finite(bytes)) else { return Ok(()) };
    let row = bad / (values.len() / object.seeds.len()).max(1);
    let seed = object.seeds.get(row).copied().unwrap_or_default();
    Err(Setback::Fault(format!("the `{kind}` of seed `{seed}` are not finite")))
}
