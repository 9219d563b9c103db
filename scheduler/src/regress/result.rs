//! What a night came to: `result.json`, whose layout `docs/schema/regress-result.schema.json` describes.

use std::collections::BTreeMap;

use fidelis_contract::{
    baseline::{Accepted, Environment},
    exit,
    ids::Digest,
};
use serde::Serialize;

use super::{
    findings::{self, Finding},
    fingerprint::Change,
    identity::{IdentityGate, Sameness},
    statistics::StatisticsGate,
};
use crate::compare::Verdict;

/// The layout of `result.json` that this build writes.
pub const SCHEMA: u32 = 1;

/// What a night came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NightResult {
    /// See [`SCHEMA`].
    pub schema: u32,
    /// What the night is called.
    pub night: String,
    /// When it was judged, in UTC.
    pub when: String,
    /// What is concluded.
    pub verdict: Verdict,
    /// What `fidelis regress` ends with.
    pub exit_code: u8,
    /// What it was compared with.
    pub baseline: BaselineName,
    /// Of tonight's canonical spec.
    pub spec_digest: Digest,
    /// Which of the baseline's blocks was looked at first.
    pub block: usize,
    /// Images that were made for it.
    pub num_made: u64,
    /// How protocol and machines differ from the baseline's.
    pub fingerprint: Vec<Change>,
    /// Where images were made.
    pub identity: Option<IdentityGate>,
    /// By detector with a reference; empty where images were not compared.
    pub statistics: BTreeMap<String, StatisticsGate>,
    /// What the images were made on and by.
    pub environment: Environment,
    /// What there is to say, the gravest first.
    pub findings: Vec<Finding>,
}

/// A baseline by name.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BaselineName {
    pub name: String,
    pub number: u32,
    pub sha256: Digest,
    #[serde(flatten)]
    pub accepted: Accepted,
}

impl NightResult {
    /// Concludes from the gates what there is to conclude.
    pub fn conclude(&mut self) {
        self.findings = findings::of(self);
        self.verdict = self.concluded();
        self.exit_code = self.verdict.exit_code();
    }

    /// JSON with a newline at its end.
    pub fn to_json(&self) -> Vec<u8> {
        // Plain data with string keys becomes JSON.
        let mut bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// One line.
    pub fn headline(&self) -> String {
        let first = self.findings.first().map_or_else(
            || "protocol, machine, images and distance are the baseline's".to_owned(),
            |finding| finding.text.clone(),
        );
        format!("{}: {first}", self.verdict)
    }

    fn concluded(&self) -> Verdict {
        if self.fingerprint.iter().any(|change| !change.allowed) {
            return Verdict::Nothing;
        }
        let changed = self.identity.as_ref().is_some_and(|gate| gate.verdict == Sameness::Changed);
        let verdicts = || self.statistics.values().map(|gate| gate.verdict);
        let has = |wanted: Verdict| verdicts().any(|verdict| verdict == wanted);
        let same_arithmetic = self.statistics.values().all(|gate| gate.same_arithmetic);
        if changed || !same_arithmetic || has(Verdict::Regressed) {
            Verdict::Regressed
        } else if has(Verdict::Inconclusive) {
            Verdict::Inconclusive
        } else if has(Verdict::Improved) {
            Verdict::Improved
        } else {
            Verdict::Fine
        }
    }
}

/// What a night is that was not judged yet.
pub(super) fn unjudged(
    night: &str,
    baseline: BaselineName,
    spec_digest: Digest,
    block: usize,
) -> NightResult {
    NightResult {
        schema: SCHEMA,
        night: night.to_owned(),
        when: fidelis_contract::maker::rfc3339(std::time::SystemTime::now()),
        verdict: Verdict::Nothing,
        exit_code: exit::NOTHING,
        baseline,
        spec_digest,
        block,
        num_made: 0,
        fingerprint: Vec::new(),
        identity: None,
        statistics: BTreeMap::new(),
        environment: Environment::default(),
        findings: Vec::new(),
    }
}
