//! The manifest: what readers of a run trust. Building it is the check of I1.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::{ChunkIndex, Digest, RunId};
use crate::kind::Kind;
use crate::outcome::{Class, Outcome};
use crate::plan::Chunk;
use crate::receipt::Receipt;
use crate::run::Run;
use crate::seeds::Seeds;

/// The version that this build writes and reads.
pub const VERSION: u32 = 1;

/// Every chunk of a complete run, in the plan's order. JSON, under `keys::manifest`.
///
/// A function of what was stored alone: it holds no times, and is the same for any number of workers but for the
/// receipts' digests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    pub version: u32,
    pub run: RunId,
    pub spec_digest: Digest,
    /// Images that there are: all seeds but the unreadable ones.
    pub num_images: u64,
    pub chunks: Vec<ManifestEntry>,
}

/// One chunk of a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestEntry {
    pub chunk: ChunkIndex,
    pub seeds: Seeds,
    /// Those of the seeds whose images could not be read: the objects have no rows of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<u64>,
    /// Of the receipt's bytes as stored.
    pub receipt_sha256: Digest,
    /// The sha256 of each object.
    pub objects: BTreeMap<Kind, Digest>,
}

/// A receipt as read from the store.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredReceipt {
    pub receipt: Receipt,
    /// Of its bytes.
    pub sha256: Digest,
}

impl Manifest {
    /// The manifest of a run, from its receipts in any order; names each seed of the plan exactly once (I1).
    ///
    /// # Errors
    /// [`ManifestError::Incomplete`] when chunks are missing; else what contradicts the plan.
    pub fn build(run: &Run, receipts: &[StoredReceipt]) -> Result<Self, ManifestError> {
        let mut by_chunk = BTreeMap::new();
        for stored in receipts {
            if by_chunk.insert(stored.receipt.chunk, stored).is_some() {
                return Err(ManifestError::Twice { chunk: stored.receipt.chunk });
            }
        }
        let (mut chunks, mut missing) = (Vec::new(), Vec::new());
        for planned in run.plan.chunks() {
            match by_chunk.remove(&planned.index) {
                Some(stored) => chunks.push(entry(run, &planned.seeds, stored)?),
                None => missing.push(planned.index),
            }
        }
        if let Some(&chunk) = by_chunk.keys().next() {
            return Err(ManifestError::Beyond { chunk, num_chunks: run.plan.num_chunks() });
        }
        if !missing.is_empty() {
            return Err(ManifestError::Incomplete { missing, num_chunks: run.plan.num_chunks() });
        }
        Ok(Manifest {
            version: VERSION,
            run: run.id.clone(),
            spec_digest: run.spec.digest(),
            num_images: chunks.iter().map(ManifestEntry::num_rows).sum(),
            chunks,
        })
    }

    /// The bytes to store: JSON, fields in the order of their names. Entry by entry: of all at once a tree would be many
    /// times as large.
    pub fn to_json(&self) -> Vec<u8> {
        let Self { version, run, spec_digest, num_images, chunks } = self;
        let mut text = String::from("{\"chunks\":[");
        for (i, entry) in chunks.iter().enumerate() {
            text.push_str(if i > 0 { "," } else { "" });
            text.push_str(&serde_json::json!(entry).to_string());
        }
        let rest = serde_json::json!({
            "num_images": num_images, "run": run, "spec_digest": spec_digest, "version": version,
        });
        text.push_str("],");
        text.push_str(&rest.to_string()[1..]);
        text.push('\n');
        text.into_bytes()
    }

    /// Reads what [`Manifest::to_json`] wrote.
    ///
    /// # Errors
    /// When the bytes are no manifest of this version.
    pub fn from_json(bytes: &[u8]) -> Result<Self, ManifestError> {
        let manifest: Manifest = serde_json::from_slice(bytes)?;
        match manifest.version {
            VERSION => Ok(manifest),
            version => Err(ManifestError::Version { version }),
        }
    }
}

impl ManifestEntry {
    /// The entry of one chunk's receipt.
    ///
    /// # Errors
    /// [`ManifestError::Contradiction`] where it is not what the plan asks for.
    pub fn new(run: &Run, chunk: &Chunk, stored: &StoredReceipt) -> Result<Self, ManifestError> {
        if stored.receipt.chunk != chunk.index {
            let what = format!("it is of chunk `{}`", stored.receipt.chunk);
            return Err(ManifestError::Contradiction { chunk: chunk.index, what });
        }
        entry(run, &chunk.seeds, stored)
    }

    /// The seeds of the objects' rows, in order.
    pub fn rows(&self) -> impl Iterator<Item = u64> + '_ {
        self.seeds.iter().filter(|seed| !self.unreadable.contains(seed))
    }

    /// How many rows each object has.
    pub fn num_rows(&self) -> u64 {
        self.seeds.len() - self.unreadable.len() as u64
    }
}

/// The entry of one receipt, after checking it against the plan.
fn entry(run: &Run, seeds: &Seeds, stored: &StoredReceipt) -> Result<ManifestEntry, ManifestError> {
    let receipt = &stored.receipt;
    let contradicts = |what| Err(ManifestError::Contradiction { chunk: receipt.chunk, what });
    if receipt.run != run.id || receipt.spec_digest != run.spec.digest() {
        return contradicts("it is of another run or spec".to_owned());
    }
    if receipt.seeds != *seeds {
        return contradicts(format!("it names the seeds `{}` where the plan has `{seeds}`", receipt.seeds));
    }
    let asked = run.spec.kinds();
    let mut kinds: Vec<&Kind> = asked.iter().collect();
    kinds.sort();
    if !receipt.objects.keys().eq(kinds.iter().copied()) {
        let names = |kinds: &mut dyn Iterator<Item = &Kind>| {
            kinds.map(Kind::to_string).collect::<Vec<_>>().join(", ")
        };
        let (found, asked) = (names(&mut receipt.objects.keys()), names(&mut kinds.into_iter()));
        return contradicts(format!("it holds `{found}` where the spec asks for `{asked}`"));
    }
    let unreadable: Vec<u64> = receipt.unreadable.iter().map(|image| image.seed).collect();
    let among = seeds.iter().filter(|seed| unreadable.contains(seed));
    let is_allowed = run.spec.engine.dataset().is_some_and(|images| images.allow_unreadable);
    if !among.eq(unreadable.iter().copied()) || !(unreadable.is_empty() || is_allowed) {
        return contradicts(format!("it calls the images of `{unreadable:?}` unreadable"));
    }
    for (kind, object) in &receipt.objects {
        if object.shape.first().map(|rows| *rows as u64) != Some(receipt.num_rows()) {
            let (shape, rows) = (&object.shape, receipt.num_rows());
            return contradicts(format!("its `{kind}` has shape {shape:?} for {rows} seeds"));
        }
    }
    Ok(ManifestEntry {
        chunk: receipt.chunk,
        seeds: seeds.clone(),
        unreadable,
        receipt_sha256: stored.sha256,
        objects: receipt.objects.iter().map(|(kind, object)| (kind.clone(), object.sha256)).collect(),
    })
}

/// Why receipts do not make a complete run.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    #[error("{} of {num_chunks} chunks have no receipt, the first is chunk `{}`: submit the run again to make them", missing.len(), missing.first().copied().unwrap_or_default())]
    Incomplete { missing: Vec<ChunkIndex>, num_chunks: ChunkIndex },
    #[error("two receipts for chunk `{chunk}`: something else writes to this run")]
    Twice { chunk: ChunkIndex },
    #[error(
        "a receipt for chunk `{chunk}` where the plan has `{num_chunks}` chunks: something else writes to this run"
    )]
    Beyond { chunk: ChunkIndex, num_chunks: ChunkIndex },
    #[error(
        "the receipt of chunk `{chunk}` contradicts the plan: {what}; `fidelis verify --repair` sets it aside, then submit the run again"
    )]
    Contradiction { chunk: ChunkIndex, what: String },
    #[error("not a manifest: {}; reduce the run again", crate::text::line(.0))]
    Format(#[from] serde_json::Error),
    #[error(
        "manifest of version `{version}` where this build reads `{VERSION}`: use the build that made the run"
    )]
    Version { version: u32 },
}

impl Outcome for ManifestError {
    fn class(&self) -> Class {
        if matches!(self, Self::Incomplete { .. }) { Class::Incomplete } else { Class::Integrity }
    }
}

#[cfg(test)]
mod tests;
