use fidelis_contract::{baseline::Accepted, ids::Digest};

use super::*;
use crate::compare::{Rule, Verdict};
use crate::regress::{
    fingerprint::Change,
    identity::{Apart, IdentityGate, Sameness},
    result::{BaselineName, unjudged},
    statistics::{Look, StatisticsGate},
};

fn result(num_changes: usize) -> NightResult {
    let accepted = Accepted {
        who: "a | b".into(),
        when: "2026-11-26T19:06:00Z".into(),
        why: "first".into(),
        previous: None,
    };
    let baseline = BaselineName { name: "main".into(), number: 3, sha256: Digest([1; 32]), accepted };
    let mut result = unjudged("tonight", baseline, Digest([2; 32]), 0);
    let change = |i: usize| Change {
        field: format!("f{i}"),
        baseline: "50 %, or: so".into(),
        tonight: String::new(),
        allowed: true,
        changes_images: false,
    };
    result.fingerprint = (0..num_changes).map(change).collect();
    let apart = |num_other| Apart { num_other, seen_at: Some(1), largest: 0.5, bound: 1e-3 };
    result.identity = Some(IdentityGate {
        verdict: Sameness::Changed,
        num_images: 256,
        same_noise: false,
        latents: Some(apart(256)),
        features: [("own".to_owned(), apart(9))].into(),
    });
    let look = Look {
        seeds: "0-9".parse().unwrap(),
        num_images: 10,
        baseline: 10.0,
        recorded: None,
        tonight: 9.0,
        worse_by: -1.0,
        sd: 0.1,
        interval: [-1.2, -0.8],
        detectable: 0.3,
        design: "paired",
        verdict: Verdict::Improved,
    };
    result.statistics = [("own".to_owned(), StatisticsGate::new("own", look, Rule::default()))].into();
    result.conclude();
    result
}

#[test]
fn ten_annotations_at_most_and_escaped() {
    let lines = annotations(&result(20));
    assert_eq!(lines.len(), 10);
    assert!(
        lines[0].starts_with("::error title=fidelis regress%3A identity::of 256 images the images"),
        "{lines:?}"
    );
    let warned = lines.iter().find(|line| line.contains("fingerprint")).unwrap();
    assert!(warned.contains("has `50 %25, or: so`: as was allowed"), "{warned}");
}

#[test]
fn a_folder_holds_the_night_for_everybody() {
    let folder = tempfile::tempdir().unwrap();
    let result = result(1);
    assert_eq!((result.verdict, result.exit_code), (Verdict::Regressed, 1));
    check(folder.path()).unwrap();
    write(folder.path(), &result).unwrap();
    write(folder.path(), &result).unwrap();
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    let history = read("history.jsonl");
    let lines: Vec<serde_json::Value> =
        history.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2, "one a night");
    assert_eq!((&lines[0]["verdict"], &lines[0]["identity"]), (&"regressed".into(), &"changed".into()));
    assert_eq!(lines[0]["detectors"]["own"]["worse_by"], -1.0);
    let junit = quick_junit::Report::deserialize_from_str(&read("junit.xml")).unwrap();
    assert_eq!((junit.tests, junit.failures, junit.errors), (3, 1, 0));
    let metrics = read("metrics.prom");
    for line in [
        "fidelis_regress_verdict{baseline=\"main\",verdict=\"regressed\"} 1",
        "fidelis_regress_verdict{baseline=\"main\",verdict=\"fine\"} 0",
        "fidelis_regress_other_images{baseline=\"main\",of=\"features-own\"} 9",
        "fidelis_regress_distance_worse_by{baseline=\"main\",metric=\"fd\",detector=\"own\"} -1",
    ] {
        assert!(metrics.lines().any(|found| found == line), "`{line}` is not in\n{metrics}");
    }
    assert!(metrics.lines().all(|line| line.starts_with("# ") || line.starts_with("fidelis_regress_")));
    let summary = read("summary.md");
    assert!(summary.starts_with("## ❌ Night tonight: regressed") && summary.contains("accepted by a \\| b"));
    assert!(
        summary.contains("| fd (own) | improved | 10 | 10.0000 | 9.0000 | -1.0000 (-10.00 %) |"),
        "{summary}"
    );
}
