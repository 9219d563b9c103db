//! What stores and fleets out there know a run by. A change here orphans every run there ever was, and the messages of
//! fleets that are running.

use std::path::Path;

use fidelis_shared::ids::Digest;
use fidelis_shared::keys;
use fidelis_shared::plan::Plan;
use fidelis_shared::presets::{self, Sites};
use fidelis_shared::spec::RunSpec;
use fidelis_shared::wire::ChunkTask;

const DEMO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../infra/demo");

const DATASET: &str = r#"
name = "ref"
engine = "dataset"
seeds = "0-9999"
data = "refs/fashion-test.npz"
allow_unreadable = true
labels = "balanced"
[[detectors]]
name = "fashion-cnn"
weights = "models/fashion-cnn.safetensors"
reference = "refs/fashion-train.npz"
"#;

fn demo(name: &str) -> RunSpec {
    let mut spec = RunSpec::load(&Path::new(DEMO).join(name)).unwrap();
    spec.validate().unwrap();
    spec.resolve().unwrap();
    spec
}

fn dataset() -> RunSpec {
    let mut spec = RunSpec::from_toml(DATASET, "test").unwrap();
    spec.anchor(Path::new(DEMO));
    spec.validate().unwrap();
    spec.resolve().unwrap();
    spec
}

/// Each file's digest as if it held its own address.
fn preset(name: &str) -> RunSpec {
    let json = presets::find(name).unwrap().spec(&Sites::default()).to_json();
    let mut value: serde_json::Value = serde_json::from_str(&json).unwrap();
    pin(&mut value);
    let spec = RunSpec::from_json(&value.to_string(), "preset").unwrap();
    spec.validate().unwrap();
    assert!(spec.is_resolved());
    spec
}

fn pin(value: &mut serde_json::Value) {
    let address = value.as_str().filter(|text| text.contains("://")).map(str::to_owned);
    if let Some(path) = address.as_deref().or_else(|| value.get("path")?.as_str()) {
        *value = serde_json::json!({ "path": path, "sha256": Digest::of(path.as_bytes()).to_string() });
        return;
    }
    match value {
        serde_json::Value::Object(fields) => fields.values_mut().for_each(pin),
        serde_json::Value::Array(items) => items.iter_mut().for_each(pin),
        _ => {}
    }
}

/// Id and spec digest as they are; of the many keys and messages a digest over all.
fn known_by(spec: &RunSpec) -> String {
    let (run, spec_digest, plan) = (spec.run_id(), spec.digest(), Plan::new(spec));
    let derived = [keys::spec, keys::manifest, keys::result, keys::report_html, keys::report_md];
    let derived = derived.into_iter().chain([keys::success, keys::cancelled]).map(|key| key(&run));
    let mut stored: Vec<String> = derived.collect();
    stored.extend(spec.detectors.iter().map(|detector| keys::stats(&run, &detector.name)));
    let mut sent = Vec::new();
    for chunk in plan.chunks() {
        stored.extend(spec.kinds().iter().map(|kind| keys::chunk(&run, kind, chunk.index)));
        stored.push(format!("{} {}", keys::receipt(&run, chunk.index), chunk.seeds));
        sent.extend(ChunkTask { run: run.clone(), chunk: chunk.index, spec_digest }.encode());
    }
    let stored = Digest::of(stored.join("\n").as_bytes());
    let stream = keys::redis_stream(&spec.pool());
    format!("{run}\n{spec_digest}\n{stream}\nkeys {stored}\nwire {}", Digest::of(&sent))
}

#[test]
fn runs_are_known_by_what_they_were_known_by() {
    let specs = [
        demo("unguided.toml"),
        demo("guided.toml"),
        demo("synthetic.toml"),
        dataset(),
        preset("edm2-img512-s-autog-fid"),
        preset("edm2-img64-s-fid"),
    ];
    let known: Vec<String> = specs.iter().map(known_by).collect();
    assert_eq!(known.join("\n\n"), PINNED.trim());
    for (spec, known) in specs.iter().zip(known) {
        let stored = RunSpec::from_json(&spec.to_json(), "spec.json").unwrap();
        assert_eq!(known_by(&stored), known, "as stored");
    }
}

const PINNED: &str = "
";
