//! The night for people who read a job's summary.

use crate::compare::Verdict;
use crate::regress::{
    NightResult,
    findings::{Finding, Level},
};

/// A headline, a table of the gates, and what there is to say.
pub fn markdown(result: &NightResult) -> String {
    let mark = match result.verdict {
        Verdict::Fine => "✅",
        Verdict::Improved => "⚠️",
        Verdict::Regressed => "❌",
        _ => "❔",
    };
    let accepted = &result.baseline.accepted;
    let mut text = format!(
        "## {mark} Night {}: {}\n\nAgainst baseline `{}/{:06}`, accepted by {} on {}: {}\n\n",
        result.night,
        result.verdict,
        result.baseline.name,
        result.baseline.number,
        escaped(&accepted.who),
        accepted.when,
        escaped(&accepted.why),
    );
    text += "| gate | verdict | images | baseline | tonight | worse by | 95 % | detectable |\n";
    text += "| --- | --- | ---: | ---: | ---: | ---: | --- | ---: |\n";
    let differ = result.fingerprint.len();
    let fingerprint = if differ == 0 { "same".to_owned() } else { format!("{differ} differ") };
    text += &format!("| fingerprint | {fingerprint} | | | | | | |\n");
    if let Some(gate) = &result.identity {
        text += &format!("| identity | {} | {} | | | | | |\n", gate.verdict, gate.num_images);
    }
    for (detector, gate) in &result.statistics {
        for (number, look) in gate.looks.iter().enumerate() {
            let again = if number == 0 { "" } else { ", other seeds" };
            let [low, high] = look.interval;
            text += &format!(
                "| {} ({}{again}) | {} | {} | {:.4} | {:.4} | {:+.4} ({:+.2} %) | {low:.4} to {high:.4} | {:.4} |\n",
                gate.metric,
                escaped(detector),
                look.verdict,
                look.num_images,
                look.baseline,
                look.tonight,
                look.worse_by,
                100.0 * look.worse_by / look.baseline.abs(),
                look.detectable,
            );
        }
    }
    for Finding { level, gate, text: said } in &result.findings {
        let level = match level {
            Level::Error => "**error**",
            Level::Warning => "warning",
            Level::Notice => "note",
        };
        text += &format!("\n- {level}, {}: {}", escaped(gate), escaped(said));
    }
    text + "\n"
}

fn escaped(text: &str) -> String {
    text.replace('|', "\\|").replace('*', "\\*").replace('<', "&lt;").replace('\n', " ")
}
