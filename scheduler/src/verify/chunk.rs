//! One chunk: its receipt against the plan, its objects against the receipt.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use fidelis_contract::{
    ids::{ChunkIndex, Digest},
    keys,
    kind::Kind,
    manifest::{ManifestEntry, StoredReceipt},
    payload::ChunkObject,
    plan::Chunk,
    receipt::Receipt,
    run::Run,
};
use fidelis_fleet::{
    store::{Store, StoreError},
    stored::expectation::Digests,
};

use super::fault::{Fault, FaultKind};
use super::training;

/// What is known of a chunk before it is read.
#[derive(Debug)]
pub(super) struct Subject<'a> {
    pub store: &'a Store,
    pub run: &'a Run,
    pub chunk: Chunk,
    /// The keys that the store lists of it.
    pub listed: BTreeSet<String>,
    /// What the manifest says of it.
    pub entry: Option<&'a ManifestEntry>,
    /// What it was before a repair.
    pub first: Option<&'a Digests>,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Finding {
    pub chunk: ChunkIndex,
    /// One that can be believed.
    pub receipt: Option<StoredReceipt>,
    pub has_receipt: bool,
    /// What its objects should be, as far as anything tells.
    pub digests: Digests,
    pub faults: Vec<Fault>,
    pub num_objects: u64,
    pub num_bytes: u64,
}

impl Subject<'_> {
    /// Reads and checks everything of the chunk.
    pub async fn check(&self) -> Result<Finding, StoreError> {
        let index = self.chunk.index;
        let mut finding = Finding { chunk: index, ..Finding::default() };
        self.check_receipt(&mut finding).await?;
        let named = finding.receipt.as_ref().map(|stored| &stored.receipt.objects);
        let manifest = self.entry.map(|entry| &entry.objects);
        finding.digests = match (named, manifest) {
            (Some(named), _) => named.iter().map(|(kind, object)| (kind.clone(), object.sha256)).collect(),
            (None, Some(manifest)) => manifest.clone(),
            (None, None) => BTreeMap::new(),
        };
        for kind in &self.run.spec.kinds() {
            self.check_object(kind, &mut finding).await?;
        }
        if let Some(receipt) = finding.receipt.as_ref().map(|stored| stored.receipt.clone()) {
            training::check((self.store, self.run), &receipt, &mut finding).await?;
        }
        for fault in &mut finding.faults {
            fault.chunk = Some(index);
        }
        Ok(finding)
    }

    async fn check_receipt(&self, finding: &mut Finding) -> Result<(), StoreError> {
        let key = keys::receipt(&self.run.id, self.chunk.index);
        let Some((bytes, noted)) = self.read(&key, finding).await? else { return Ok(()) };
        finding.has_receipt = true;
        let found = Digest::of(&bytes);
        let written = noted.or(self.entry.map(|entry| entry.receipt_sha256));
        if let Some(written) = written.filter(|written| *written != found) {
            finding.faults.push(altered(&key, "was written as", written, found));
            return Ok(());
        }
        let receipt = match Receipt::from_json(&bytes) {
            Ok(receipt) => receipt,
            Err(error) => {
                finding.faults.push(Fault::new(FaultKind::Damaged, &key, format!("is {error}")));
                return Ok(());
            }
        };
        let stored = StoredReceipt { receipt, sha256: found };
        match ManifestEntry::new(self.run, &self.chunk, &stored) {
            Err(error) => {
                finding.faults.push(Fault::new(FaultKind::Contradiction, &key, format!("is wrong: {error}")));
            }
            Ok(entry) => {
                self.compare(&key, &entry, &mut finding.faults);
                finding.receipt = Some(stored);
            }
        }
        Ok(())
    }

    /// A receipt that fits the plan, against the manifest and against what the chunk was before a repair.
    fn compare(&self, key: &str, entry: &ManifestEntry, faults: &mut Vec<Fault>) {
        if self.entry.is_some_and(|manifest| manifest != entry) {
            let manifest = keys::manifest(&self.run.id);
            let detail = format!("does not have the receipt `{key}` as it is stored");
            faults.push(Fault::new(FaultKind::Derived, &manifest, detail));
        }
        for (kind, again) in &entry.objects {
            let Some(first) = self.first.and_then(|first| first.get(kind)) else { continue };
            if first != again {
                let object = keys::chunk(&self.run.id, kind, self.chunk.index);
                let detail = format!("was made again as `{again}` where it had been `{first}`");
                faults.push(Fault::new(FaultKind::Nondeterminism, &object, detail));
            }
        }
    }

    async fn check_object(&self, kind: &Kind, finding: &mut Finding) -> Result<(), StoreError> {
        let key = keys::chunk(&self.run.id, kind, self.chunk.index);
        let Some((bytes, noted)) = self.read(&key, finding).await? else {
            if finding.has_receipt {
                finding.faults.push(Fault::new(FaultKind::Gone, &key, "is gone though its receipt is there"));
            }
            return Ok(());
        };
        let found = Digest::of(&bytes);
        let (whose, written) = match finding.digests.get(kind) {
            Some(&named) => ("its receipt names", Some(named)),
            None => ("was written as", noted),
        };
        if let Some(written) = written.filter(|written| *written != found) {
            finding.faults.push(altered(&key, whose, written, found));
            return Ok(());
        }
        if let Err(detail) = self.check_payload(kind, &bytes, finding.receipt.as_ref()) {
            finding.faults.push(Fault::new(FaultKind::Damaged, &key, detail));
        }
        Ok(())
    }

    fn check_payload(
        &self,
        kind: &Kind,
        bytes: &[u8],
        receipt: Option<&StoredReceipt>,
    ) -> Result<(), String> {
        let object = ChunkObject::decode(kind, bytes).map_err(|error| format!("is {error}"))?;
        let Some(StoredReceipt { receipt, .. }) = receipt else { return Ok(()) };
        let unreadable: BTreeSet<u64> = receipt.unreadable.iter().map(|image| image.seed).collect();
        if !object.seeds.iter().copied().eq(receipt.seeds.iter().filter(|seed| !unreadable.contains(seed))) {
            return Err(format!("holds other seeds than `{}`", receipt.seeds));
        }
        match receipt.objects.get(kind) {
            Some(named) if named.shape != object.data.shape || named.num_bytes != bytes.len() as u64 => {
                Err(format!("has shape {:?} where its receipt has {:?}", object.data.shape, named.shape))
            }
            _ => Ok(()),
        }
    }

    /// One of the listed objects; it may be gone since.
    async fn read(
        &self,
        key: &str,
        finding: &mut Finding,
    ) -> Result<Option<(Bytes, Option<Digest>)>, StoreError> {
        if !self.listed.contains(key) {
            return Ok(None);
        }
        let found = self.store.get_noted(key).await?;
        if let Some((bytes, _)) = &found {
            finding.num_objects += 1;
            finding.num_bytes += bytes.len() as u64;
        }
        Ok(found)
    }
}

pub(super) fn altered(key: &str, whose: &str, written: Digest, found: Digest) -> Fault {
    Fault::new(FaultKind::Altered, key, format!("has sha256 `{found}`, {whose} `{written}`"))
}
