//! What a night came to: `result.json`, whose layout `docs/schema/regress-result.schema.json` describes.

use std::collections::BTreeMap;

use fidelis_contract::{
    baseline::{Accepted, Environment},
    exit,
    ids::Digest,
};
use serde::Serialize;

use super::{
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

/// How grave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Error,
    Warning,
    Notice,
}

/// A sentence about a gate.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    pub level: Level,
    /// `fingerprint`, `identity`, or `distance` and the detector.
    pub gate: String,
    /// One line.
    pub text: String,
}

impl NightResult {
    /// Concludes from the gates what there is to conclude.
    pub fn conclude(&mut self) {
        self.findings = self.found();
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

    fn found(&self) -> Vec<Finding> {
        let mut found: Vec<Finding> = self.fingerprint.iter().map(of_change).collect();
        found.extend(self.identity.iter().flat_map(of_identity));
        for (detector, gate) in &self.statistics {
            found.extend(of_statistics(detector, gate));
        }
        found.sort_by_key(|finding| finding.level);
        found
    }
}

fn of_change(change: &Change) -> Finding {
    let Change { field, baseline, tonight, allowed, .. } = change;
    let named = |value: &str| if value.is_empty() { "absent".to_owned() } else { format!("`{value}`") };
    let (level, end) = match allowed {
        true => (Level::Warning, "as was allowed".to_owned()),
        false => {
            (Level::Error, format!("accept a new baseline, or compare all the same with `--allow {field}`"))
        }
    };
    let text = format!("`{field}` is {} where the baseline has {}: {end}", named(tonight), named(baseline));
    Finding { level, gate: "fingerprint".to_owned(), text }
}

fn of_identity(gate: &IdentityGate) -> Option<Finding> {
    let apart = gate.latents.iter().map(|apart| ("latents".to_owned(), apart));
    let features = gate.features.iter().map(|(name, apart)| (format!("features of {name}"), apart));
    let (num_images, worst) = (gate.num_images, apart.chain(features));
    let worst: Vec<String> = worst
        .filter(|(_, apart)| apart.num_other > 0)
        .map(|(name, apart)| {
            format!("{name} of {} differ, by up to {:.1e} of the largest", apart.num_other, apart.largest)
        })
        .collect();
    let noise = if gate.same_noise { "" } else { "their noise is another; " };
    let (level, text) = match gate.verdict {
        Sameness::Same => return None,
        Sameness::Within => (Level::Notice, format!("{}: rounding, within the bound", worst.join("; "))),
        Sameness::Changed => (
            Level::Error,
            format!(
                "the images of the same seeds are others: {noise}{}; accept a new baseline if that was meant",
                worst.join("; ")
            ),
        ),
        Sameness::NotJudged => {
            (Level::Notice, format!("other images, as allowed: {noise}{}", worst.join("; ")))
        }
    };
    Some(Finding { level, gate: "identity".to_owned(), text: format!("of {num_images} images {text}") })
}

fn of_statistics(detector: &str, gate: &StatisticsGate) -> Vec<Finding> {
    let name = format!("distance {detector}");
    let mut found = Vec::new();
    let Some(last) = gate.looks.last() else { return found };
    let percent = 100.0 * last.worse_by / last.baseline.abs();
    let [low, high] = last.interval;
    let figures = format!(
        "{} {:.4} where the baseline has {:.4}, {percent:+.2} % (between {low:.4} and {high:.4} in 95 of 100 cases, \
         {} images of the same seeds)",
        gate.metric, last.tonight, last.baseline, last.num_images
    );
    let said = match gate.verdict {
        Verdict::Regressed => {
            Some((Level::Error, format!("worse, and again on a block of other seeds: {figures}")))
        }
        Verdict::Inconclusive => Some((
            Level::Warning,
            format!(
                "{figures}: differences below {:.4} are not found with this many images",
                last.detectable
            ),
        )),
        Verdict::Improved => {
            Some((Level::Warning, format!("better, find out why before you believe it: {figures}")))
        }
        Verdict::Fine if gate.looks.len() > 1 => {
            Some((Level::Notice, format!("an alarm that a block of other seeds did not confirm: {figures}")))
        }
        _ => None,
    };
    found.extend(said.map(|(level, text)| Finding { level, gate: name.clone(), text }));
    if !gate.same_arithmetic {
        let recorded = gate.looks.iter().filter_map(|look| look.recorded.zip(Some(look.baseline)));
        let recorded: Vec<String> = recorded.map(|(was, is)| format!("{was} → {is}")).collect();
        let text = format!(
            "the baseline's features measure otherwise than when they were accepted: {}; the arithmetic of the metric \
             changed",
            recorded.join(", ")
        );
        found.push(Finding { level: Level::Error, gate: name, text });
    }
    found
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
