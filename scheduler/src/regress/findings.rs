//! What there is to say about a night, in sentences: for terminals, CI servers and summaries alike.

use serde::Serialize;

use super::{
    fingerprint::Change,
    identity::{IdentityGate, Sameness},
    result::NightResult,
    statistics::StatisticsGate,
};
use crate::compare::Verdict;

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

/// The gravest first.
pub(super) fn of(result: &NightResult) -> Vec<Finding> {
    let mut found: Vec<Finding> = result.fingerprint.iter().map(of_change).collect();
    found.extend(result.identity.iter().flat_map(of_identity));
    for (detector, gate) in &result.statistics {
        found.extend(of_statistics(detector, gate));
    }
    found.sort_by_key(|finding| finding.level);
    found
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
