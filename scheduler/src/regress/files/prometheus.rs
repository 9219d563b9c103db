//! The night as Prometheus' node exporter reads it from its folder of text files.

use std::fmt::Write;

use crate::compare::Verdict;
use crate::regress::NightResult;

/// Gauges only: each night writes its file anew.
pub(super) fn prometheus(result: &NightResult) -> String {
    let baseline = label(&result.baseline.name);
    let mut text = String::new();
    let mut family = |name: &str, help: &str, samples: Vec<(String, f64)>| {
        let samples: Vec<_> = samples.into_iter().filter(|(_, value)| value.is_finite()).collect();
        if samples.is_empty() {
            return;
        }
        // Into memory.
        writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge").ok();
        for (more, value) in samples {
            writeln!(text, "{name}{{baseline=\"{baseline}\"{more}}} {value}").ok();
        }
    };
    let verdicts =
        [Verdict::Fine, Verdict::Improved, Verdict::Regressed, Verdict::Inconclusive, Verdict::Nothing];
    let verdicts = verdicts
        .map(|verdict| (format!(",verdict=\"{verdict}\""), f64::from(u8::from(verdict == result.verdict))));
    family("fidelis_regress_verdict", "1 for what the last night came to.", verdicts.to_vec());
    let code = vec![(String::new(), f64::from(result.exit_code))];
    family("fidelis_regress_exit_code", "What fidelis regress ended with.", code);
    let made = vec![(String::new(), result.num_made as f64)];
    family("fidelis_regress_images", "Images that the night made.", made);
    let differ = vec![(String::new(), result.fingerprint.len() as f64)];
    family("fidelis_regress_fingerprint_changes", "Properties that differ from the baseline's.", differ);
    let apart = result.identity.iter().flat_map(|gate| {
        let latents = gate.latents.iter().map(|apart| (",of=\"latents\"".to_owned(), apart));
        let features = gate.features.iter();
        latents.chain(features.map(|(name, apart)| (format!(",of=\"features-{}\"", label(name)), apart)))
    });
    let apart: Vec<_> = apart.collect();
    let others = apart.iter().map(|(name, apart)| (name.clone(), apart.num_other as f64)).collect();
    family("fidelis_regress_other_images", "Images that are not the baseline's bits.", others);
    let largest = apart.iter().map(|(name, apart)| (name.clone(), apart.largest)).collect();
    family("fidelis_regress_largest_difference_ratio", "As a share of the largest magnitude.", largest);
    for (name, help, of) in [
        ("fidelis_regress_distance", "Tonight's distance.", 0),
        ("fidelis_regress_distance_baseline", "The baseline's.", 1),
        ("fidelis_regress_distance_worse_by", "Tonight's minus the baseline's.", 2),
        ("fidelis_regress_distance_worse_by_sd", "Standard error of that.", 3),
        ("fidelis_regress_distance_detectable", "The difference that this many images show.", 4),
    ] {
        let samples = result.statistics.iter().filter_map(|(detector, gate)| {
            let look = gate.looks.last()?;
            let values = [look.tonight, look.baseline, look.worse_by, look.sd, look.detectable];
            Some((format!(",metric=\"{}\",detector=\"{}\"", gate.metric, label(detector)), values[of]))
        });
        family(name, help, samples.collect());
    }
    text
}

fn label(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
