//! One line of JSON a night.

use serde_json::{Map, Value, json};

use crate::regress::NightResult;

/// What a chart over many nights needs.
pub(super) fn line(result: &NightResult) -> String {
    let detectors: Map<String, Value> = (result.statistics.iter())
        .filter_map(|(name, gate)| {
            let look = gate.looks.last()?;
            let figures = json!({
                "metric": gate.metric, "baseline": look.baseline, "tonight": look.tonight, "worse_by": look.worse_by,
                "sd": look.sd, "num_images": look.num_images, "verdict": gate.verdict,
            });
            Some((name.clone(), figures))
        })
        .collect();
    let line = json!({
        "schema": result.schema,
        "night": result.night,
        "when": result.when,
        "baseline": format!("{}/{:06}", result.baseline.name, result.baseline.number),
        "block": result.block,
        "verdict": result.verdict,
        "exit_code": result.exit_code,
        "identity": result.identity.as_ref().map(|gate| gate.verdict),
        "detectors": detectors,
        "fidelis": result.environment.fidelis,
    });
    format!("{line}\n")
}
