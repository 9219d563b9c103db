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
unguided-f5ed86a11b66a686
f5ed86a11b66a6866dafafc4b5fb9f9513b7b9ab63036999ac264a3127c08b51
fidelis:stream:p0-39033bf8b3d3d3bc
keys 32c1bcdc1b0530947542e7cb4ee2bff7e3afc85f516314fc1321b5c2dfdf4165
wire 9af663251714e4f6ec1fedf8f9d53b0bef5735ff74fbe281f339023bb5b62c72

guided-145d7007060d5a0e
145d7007060d5a0eafbde28ff3d93ae976e257c6508cb3fc8f9455f11da80742
fidelis:stream:p0-d1765723e467740d
keys 44f37ab39794f74c379b83982f604e4c387a57ad2afb0a5bab97665a9ca5e304
wire 19e77548a2a0f7bb035fe55cefc3ee53f461d57ffe455eac1e19f07c3e2b9174

synthetic-21c98c2e3a8291a0
21c98c2e3a8291a01ccc93fc666608c1da208d1c1f2952bade5c988dd6fe5055
fidelis:stream:p0-0508695685d6ca75
keys bbb2b12a2a3853bcc5971b1df4c3790408c72b4edca1d9a4476c0bcb224d6d16
wire 5e8d4abe5a1c63ff5352c78fff1af698bb0d0f33337790838bf74ab2228db0a0

ref-e94e9a091108b02a
e94e9a091108b02a3a6c837775f3649f4b55dc02161118c496dae5e6931bfb31
fidelis:stream:p0-355c2ad3f5dad267
keys 6043e0a49007abb5b2ab9946a913f12679dd74d20444d6a05af543562a6bed07
wire 417719e23f97b6ceea60ed00f53150b365bfb480c9cdac1baf9729cc664f46e6

edm2-img512-s-autog-fid-d6acf22f537a87b5
d6acf22f537a87b571693d0e186ee012d778ad16108b636bfce8a50beaf1d749
fidelis:stream:p0-985880a7463bf577
keys f11b7911499ac91c8ad5df0d498b5794d1d57f1818e6e7ef81ec6529692396fd
wire 0726d74d6792e587f40df504c94e3c763be0630c492a5b40763e180c94ac5299

edm2-img64-s-fid-ffb0a5691117d9e9
ffb0a5691117d9e94742ee8f35beb2e1922543f91ae8170583363baedd133d51
fidelis:stream:p0-b94f4b94c1def5a2
keys 5e5ebdaa2ad473bafe20f2ba2eeadafa16c8020bc281e60e06a06f67f0a5fa43
wire 8be3857ba008158f733ff69e2450adcc918070609b6538f5648edd086c41bf59
";
