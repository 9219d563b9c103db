//! What stores and fleets out there know a run by. A change here orphans every run there ever was, and the messages of
//! fleets that are running.

use std::path::Path;

use fidelis_contract::{
    ids::Digest,
    keys,
    plan::Plan,
    presets::{self, Sites},
    spec::{ResolvedSpec, RunSpec},
    wire::ChunkTask,
};

const DEMO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../infra/demo");

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

/// A valid spec whose files lie here.
fn resolved(mut spec: RunSpec) -> ResolvedSpec {
    spec.validate().unwrap();
    for (_, file) in spec.files_mut() {
        file.sha256 = Some(Digest::of_file(Path::new(&file.path)).unwrap());
    }
    ResolvedSpec::new(spec).unwrap()
}

fn demo(name: &str) -> ResolvedSpec {
    resolved(RunSpec::load(&Path::new(DEMO).join(name)).unwrap())
}

fn dataset() -> ResolvedSpec {
    let mut spec = RunSpec::from_toml(DATASET, "test").unwrap();
    spec.anchor(Path::new(DEMO));
    resolved(spec)
}

/// Each file's digest as if it held its own address.
fn preset(name: &str) -> ResolvedSpec {
    let json = presets::find(name).unwrap().spec(&Sites::default()).to_json();
    let mut value: serde_json::Value = serde_json::from_str(&json).unwrap();
    pin(&mut value);
    let spec = RunSpec::from_json(&value.to_string(), "preset").unwrap();
    spec.validate().unwrap();
    ResolvedSpec::new(spec).unwrap()
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
fn known_by(spec: &ResolvedSpec) -> String {
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
        let stored = ResolvedSpec::from_json(&spec.to_json(), "spec.json").unwrap();
        assert_eq!(known_by(&stored), known, "as stored");
    }
}

const PINNED: &str = "
";
