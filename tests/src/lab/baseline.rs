//! The run that nothing disturbed: what every other run of the spec must be equal to.

use std::collections::BTreeMap;
use std::time::UNIX_EPOCH;

use anyhow::{Context, Result};
use fidelis_contract::ids::{ChunkIndex, Digest};
use fidelis_formats::atomic;
use serde::{Deserialize, Serialize};

use super::{Facts, Lab, LabSpec};
use crate::process::binary;

/// The bits of a fault-free run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baseline {
    /// By `chunk kind`.
    pub objects: BTreeMap<String, Digest>,
    /// The receipts' noise digests.
    pub noise: BTreeMap<ChunkIndex, Digest>,
    /// mu and sigma, as files.
    pub stats: BTreeMap<String, Digest>,
    /// The distance and its error, to the bit.
    pub distances: BTreeMap<String, (Option<u64>, Option<u64>)>,
}

impl Baseline {
    /// The baseline of a spec: made by one worker that nothing disturbs, once for each build of the worker, and kept
    /// beside the test binaries.
    pub async fn of(spec: &LabSpec) -> Result<Self> {
        // How long an image takes is no input to its bits.
        let spec = &LabSpec { millis_per_image: 0, ..spec.clone() };
        let worker = binary("fidelis-worker-under-test")?;
        let built = worker.metadata()?.modified()?.duration_since(UNIX_EPOCH)?.as_nanos();
        let folder = worker.parent().context("a program without a folder")?.join("baselines");
        std::fs::create_dir_all(&folder)?;
        let lab = Lab::start().await?;
        let path = folder.join(format!("{}-{built}.json", spec.run(lab.folder())?));
        if let Ok(bytes) = std::fs::read(&path) {
            return Ok(serde_json::from_slice(&bytes)?);
        }
        let _worker = lab.worker("alone").start_sound()?;
        let run = lab.submit(spec).await?;
        lab.finish(&run).await?;
        let baseline = Self::of_facts(&Facts::read(&lab.store().await?, &run).await?);
        atomic::write(&path, &serde_json::to_vec(&baseline)?)?;
        Ok(baseline)
    }

    /// The bits of what lies in a store.
    pub fn of_facts(facts: &Facts) -> Self {
        let objects =
            facts.objects.iter().map(|((chunk, kind), digest)| (format!("{chunk} {kind}"), *digest));
        let noise = facts.receipts.iter().map(|(chunk, (receipt, _))| (*chunk, receipt.noise_sha256));
        let distances = facts.result.iter().flat_map(|result| &result.detectors);
        let bits = |value: Option<f64>| value.map(f64::to_bits);
        Self {
            objects: objects.collect(),
            noise: noise.collect(),
            stats: facts.stats.clone(),
            distances: distances.map(|(name, d)| (name.clone(), (bits(d.value()), bits(d.sd())))).collect(),
        }
    }
}
