//! `baseline.json`: what nights are compared with, accepted by somebody for a reason. Its images lie beside it, block by
//! block.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    ids::{Digest, RunId},
    maker::Maker,
    outcome::{Class, Outcome},
    receipt::Receipt,
    seeds::Seeds,
    spec::{RunSpec, SpecError},
    text::line,
};

/// The layout that this build writes and reads.
pub const SCHEMA: u32 = 1;

/// An accepted baseline. JSON, under [`keys::baseline`](crate::keys::baseline).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// See [`SCHEMA`].
    pub schema: u32,
    /// Which line of baselines it belongs to.
    pub name: String,
    /// Its place there, from 1.
    pub number: u32,
    /// By whom, when and why.
    pub accepted: Accepted,
    /// The spec that made the images, as in `spec.json`: nets, detectors and references with their digests.
    pub spec: Value,
    /// Of the canonical spec.
    pub spec_digest: Digest,
    /// What the images were made on and by.
    pub environment: Environment,
    /// Images of each block, the first ones, whose latents are kept and that are compared one by one.
    pub num_identity: u64,
    /// How far the same images may be apart.
    pub bound: Bound,
    /// At least one, of disjoint seeds.
    pub blocks: Vec<Block>,
}

/// An explicit act.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accepted {
    pub who: String,
    /// In UTC, as `2026-11-26T19:06:00Z`.
    pub when: String,
    pub why: String,
    /// Of the `baseline.json` before it, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Digest>,
}

/// The largest difference between two images of the same seed, as a share of the baseline's largest magnitude, that
/// counts as rounding.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bound {
    pub latents: f64,
    pub features: f64,
}

/// A block of seeds and what it measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Block {
    pub seeds: Seeds,
    /// The runs that made it.
    pub runs: Vec<RunId>,
    /// Of the object with its features and latents, which lies beside the baseline: `block-000.safetensors`.
    pub sha256: Digest,
    pub num_bytes: u64,
    /// Of each chunk's initial noise.
    pub noise: Vec<ChunkNoise>,
    /// The distance of each detector that has a reference.
    pub figures: BTreeMap<String, Figure>,
}

/// The initial noise of a chunk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChunkNoise {
    pub seeds: Seeds,
    pub sha256: Digest,
}

/// A distance of a block.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figure {
    /// `fid`, `fd_dinov2` or `fd`.
    pub id: String,
    pub value: f64,
    /// Its standard error.
    pub sd: f64,
    pub num_images: u64,
}

/// What images were made on and by: of each property every value that occurred.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    /// `arithmetic`, `device`, `device_model`, `driver`, `cuda`, `libtorch`: what the last bits of an image depend on.
    pub decisive: BTreeMap<String, BTreeSet<String>>,
    /// Versions of fidelis: what is under test.
    pub fidelis: BTreeSet<String>,
}

impl Environment {
    /// Of the receipts of some runs.
    pub fn of<'a>(receipts: impl IntoIterator<Item = &'a Receipt>) -> Self {
        let mut environment = Self::default();
        for receipt in receipts {
            let maker = receipt.maker.clone().unwrap_or_default();
            let model = maker.device_model();
            let Maker { driver, cuda, libtorch, fidelis, .. } = maker;
            let device = receipt.device.split(':').next().unwrap_or_default().to_owned();
            let facts = [
                ("arithmetic", Some(receipt.arithmetic.to_string())),
                ("device", Some(device)),
                ("device_model", model),
                ("driver", driver),
                ("cuda", cuda),
                ("libtorch", libtorch),
            ];
            for (name, value) in facts {
                environment.decisive.entry(name.to_owned()).or_default().extend(value);
            }
            environment.fidelis.extend(fidelis);
        }
        environment.decisive.retain(|_, values| !values.is_empty());
        environment
    }

    /// What this one was made on that `baseline` was not: name, the baseline's values, ours.
    pub fn beyond(&self, baseline: &Self) -> Vec<(String, String, String)> {
        let none = BTreeSet::new();
        let ours = self.decisive.iter().filter_map(|(name, ours)| {
            let theirs = baseline.decisive.get(name).unwrap_or(&none);
            let shown = |values: &BTreeSet<String>| values.iter().cloned().collect::<Vec<_>>().join(", ");
            (!ours.is_subset(theirs)).then(|| (name.clone(), shown(theirs), shown(ours)))
        });
        ours.collect()
    }
}

/// Why bytes are no baseline.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    /// Not JSON of this form.
    #[error("it is no baseline: {}; give one that `fidelis baseline accept` wrote", line(.0))]
    Format(#[from] serde_json::Error),
    /// Written by another build.
    #[error("its schema is `{0}`, and this version of fidelis reads `{SCHEMA}`: use the one that wrote it")]
    Schema(u64),
    /// Its spec is none.
    #[error("its spec cannot be read: {0}")]
    Spec(#[from] SpecError),
    /// Nothing to compare with.
    #[error("it has no block of seeds: accept one anew")]
    Empty,
}

impl Outcome for BaselineError {
    fn class(&self) -> Class {
        Class::Usage
    }
}

impl Baseline {
    /// JSON with a newline at its end.
    ///
    /// # Errors
    /// None that can be thought of: plain numbers become JSON.
    pub fn to_json(&self) -> Result<Vec<u8>, BaselineError> {
        let mut bytes = serde_json::to_vec_pretty(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Reads what [`Baseline::to_json`] wrote.
    ///
    /// # Errors
    /// See [`BaselineError`].
    pub fn from_json(bytes: &[u8]) -> Result<Self, BaselineError> {
        let value: Value = serde_json::from_slice(bytes)?;
        if let Some(schema) = value["schema"].as_u64().filter(|&schema| schema != u64::from(SCHEMA)) {
            return Err(BaselineError::Schema(schema));
        }
        let baseline: Self = serde_json::from_value(value)?;
        if baseline.blocks.is_empty() {
            return Err(BaselineError::Empty);
        }
        baseline.run_spec()?;
        Ok(baseline)
    }

    /// The spec that made the images.
    ///
    /// # Errors
    /// It is none.
    pub fn run_spec(&self) -> Result<RunSpec, SpecError> {
        RunSpec::from_json(&self.spec.to_string(), "baseline")
    }

    /// `main/000003`.
    pub fn label(&self) -> String {
        format!("{}/{:06}", self.name, self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::receipt::tests::sample;

    fn baseline() -> Baseline {
        let spec = r#"{"name":"n","engine":"synthetic","seeds":"0-7","outputs":{"latents":true}}"#;
        let block = Block {
            seeds: "0-7".parse().unwrap(),
            runs: Vec::new(),
            sha256: Digest([1; 32]),
            num_bytes: 9,
            noise: vec![ChunkNoise { seeds: "0-7".parse().unwrap(), sha256: Digest([2; 32]) }],
            figures: [("own".into(), Figure { id: "fd".into(), value: 1.5, sd: 0.1, num_images: 8 })].into(),
        };
        Baseline {
            schema: SCHEMA,
            name: "main".into(),
            number: 3,
            accepted: Accepted { who: "a".into(), when: "b".into(), why: "c".into(), previous: None },
            spec: serde_json::from_str(spec).unwrap(),
            spec_digest: Digest([3; 32]),
            environment: Environment::of([&sample()]),
            num_identity: 4,
            bound: Bound { latents: 1e-3, features: 1e-3 },
            blocks: vec![block],
        }
    }

    #[test]
    fn what_was_written_is_read_and_nothing_else() {
        let bytes = baseline().to_json().unwrap();
        assert_eq!(Baseline::from_json(&bytes).unwrap(), baseline());
        assert_eq!(baseline().label(), "main/000003");
        let text = String::from_utf8(bytes).unwrap();
        let refused = |from: &str, to: &str| {
            Baseline::from_json(text.replacen(from, to, 1).as_bytes()).unwrap_err().to_string()
        };
        assert!(refused("\"schema\": 1", "\"schema\": 2").contains("its schema is `2`"));
        assert!(refused("\"number\"", "\"numbers\"").contains("unknown field `numbers`"));
        assert!(refused("synthetic", "sinthetic").contains("its spec cannot be read"));
        let empty = Baseline { blocks: Vec::new(), ..baseline() }.to_json().unwrap();
        assert!(matches!(Baseline::from_json(&empty), Err(BaselineError::Empty)));
    }

    #[test]
    fn only_what_is_new_is_beyond_a_baseline() {
        let on = |cpu: &str, fidelis: &str| {
            let maker = Maker {
                cpu: Some(cpu.into()),
                fidelis: Some(fidelis.into()),
                libtorch: Some("2.13.0".into()),
                ..Maker::default()
            };
            Receipt { maker: Some(maker), ..sample() }
        };
        let (a, b) = (on("EPYC", "0.1"), on("Xeon", "0.2"));
        let both = Environment::of([&a, &b]);
        assert_eq!(Environment::of([&b]).beyond(&both), [], "one of the baseline's machines");
        let beyond = Environment::of([&b]).beyond(&Environment::of([&a]));
        assert_eq!(beyond, [("device_model".to_owned(), "EPYC".to_owned(), "Xeon".to_owned())]);
        assert_eq!(both.fidelis.len(), 2);
    }
}
