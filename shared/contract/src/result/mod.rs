//! `result.json`: what a run came to, and what it was made of.

mod makers;
mod measured;
mod older;
mod provenance;
mod timing;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    ids::{Digest, RunId},
    receipt::Unreadable,
};

pub use makers::Makers;
pub use measured::{DetectorResult, Floor, Measured, Method, Reference};
pub use provenance::{OtherMicroBatch, Provenance};
pub use timing::{Making, Timing};

/// The layout of `result.json` that this build writes. Without the field it is 1: one distance per detector.
pub const SCHEMA: u32 = 2;

/// One run's result: a function of the spec and the receipts alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunResult {
    /// See [`SCHEMA`].
    pub schema: u32,
    /// Name and digest.
    pub run: RunId,
    /// Of the canonical spec.
    pub spec_digest: Digest,
    /// The spec's name for it.
    pub name: String,
    /// 1 is unguided.
    pub guidance: f64,
    /// Images behind every number here.
    pub num_images: u64,
    /// Images of a dataset that could not be read, and are not among them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<Unreadable>,
    /// Chunks whose maker's memory did not hold the spec's micro-batch: the last bits of their images may be other
    /// than those of a larger device (D2).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_micro_batch: Vec<OtherMicroBatch>,
    /// By detector.
    pub detectors: BTreeMap<String, DetectorResult>,
    /// How long it took.
    pub timing: Timing,
    /// What it was made of.
    pub provenance: Provenance,
}

impl RunResult {
    /// JSON with a newline at its end.
    ///
    /// # Errors
    /// None that can be thought of: plain numbers become JSON.
    pub fn to_json(&self) -> serde_json::Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec_pretty(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Reads what [`RunResult::to_json`] wrote, in this version or an earlier one.
    ///
    /// # Errors
    /// What is no result, or one of a later version.
    pub fn from_json(bytes: &[u8]) -> serde_json::Result<Self> {
        use serde::de::Error;

        match serde_json::from_slice::<Layout>(bytes)?.schema {
            None => older::from_json(bytes),
            Some(SCHEMA) => serde_json::from_slice(bytes),
            Some(later) => Err(Error::custom(format!(
                "its schema is `{later}`, and this version of fidelis reads up to `{SCHEMA}`: update fidelis"
            ))),
        }
    }
}

#[derive(Deserialize)]
struct Layout {
    schema: Option<u32>,
}
