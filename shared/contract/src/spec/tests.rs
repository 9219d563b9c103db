use std::{fs, path::Path};

use super::*;
use crate::{ids::Digest, kind::Kind};

const MINIMAL: &str = r#"
name = "demo"
seeds = "0-1999"
net = "main.safetensors"
[outputs]
latents = true
"#;

fn parse(text: &str) -> RunSpec {
    RunSpec::from_toml(text, "test").unwrap()
}

/// The minimal spec with a line before its tables.
fn plus(line: &str) -> String {
    format!("{line}{MINIMAL}")
}

fn with(line: &str) -> RunSpec {
    parse(&plus(line))
}

fn refusal(text: &str) -> String {
    RunSpec::from_toml(text, "test").and_then(|spec| spec.validate()).unwrap_err().to_string()
}

/// A folder with a spec and the files it names.
fn folder(spec: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in [("run.toml", spec), ("main.safetensors", "main"), ("w.safetensors", "weights")] {
        fs::write(folder.path().join(name), content).unwrap();
    }
    folder
}

fn load(folder: &Path) -> ResolvedSpec {
    let mut spec = RunSpec::load(&folder.join("run.toml")).unwrap();
    spec.validate().unwrap();
    for (_, file) in spec.files_mut() {
        file.sha256 = Some(Digest::of_file(Path::new(&file.path)).unwrap());
    }
    ResolvedSpec::new(spec).unwrap()
}

/// A change here renames every run there ever was.
#[test]
fn the_canonical_form_is_pinned() {
    let spec = load(folder(MINIMAL).path());
    let net = Digest::of(b"main");
    let pinned = format!(
        "{{\"chunk_size\":256,\"detectors\":[],\"engine\":\"edm2\",\"guidance\":1.0,\"labels\":\"random\",\
         \"micro_batch\":64,\"name\":\"demo\",\"net\":{{\"sha256\":\"{net}\"}},\"noise\":\"cpu\",\
         \"outputs\":{{\"images\":false,\"latents\":true}},\"precision\":\"fp32\",\
         \"sampler\":{{\"S_churn\":0.0,\"S_max\":\"inf\",\"S_min\":0.0,\"S_noise\":1.0,\"num_steps\":32,\
         \"rho\":7.0,\"sigma_max\":80.0,\"sigma_min\":0.002,\"state\":\"fp32\"}},\"seeds\":\"0-1999\"}}"
    );
    assert_eq!(spec.canonical(), pinned);
    assert_eq!(spec.run_id().as_str(), "demo-23e3e877bcd74af8");
}

/// What does not speak of damage names the run that it always named.
#[test]
fn damage_is_part_of_the_identity() {
    let of = |line: &str| load(folder(&plus(line)).path());
    assert_eq!(of("net_damage = { dropout = 0 }").run_id().as_str(), "demo-23e3e877bcd74af8");
    let damaged = of("net_damage = { input_noise = 0.1 }");
    assert!(damaged.canonical().contains(r#","net_damage":{"input_noise":0.1},"#), "{}", damaged.canonical());
    assert_eq!(ResolvedSpec::from_json(&damaged.to_json(), "spec.json").unwrap(), damaged);
    assert_ne!(damaged.run_id(), of("net_damage = { dropout = 0.1 }").run_id());
    with("gnet = \"g\"\ngnet_damage = { dropout = 0.1 }").validate().unwrap();
}

#[test]
fn identity_is_content_not_place() {
    let here = load(folder(MINIMAL).path());
    let elsewhere = folder(&format!(
        "priority = 5\nseeds = \"0-9,10-1999\"{}",
        MINIMAL.replace("seeds = \"0-1999\"", "")
    ));
    let there = load(elsewhere.path());
    assert_ne!(here.files(), there.files());
    assert_eq!(here.run_id(), there.run_id());
    assert_ne!(here.pool(), there.pool(), "the priority is the pool's");
    fs::write(elsewhere.path().join("main.safetensors"), "other").unwrap();
    assert_ne!(load(elsewhere.path()).run_id(), here.run_id());
}

#[test]
fn stored_specs_digest_to_the_same_run() {
    let text = MINIMAL.replace(
        "[outputs]",
        "[sampler]\nsigma_min = 0.0020000000000000005\nrho = 6.999999999999999\n[outputs]",
    );
    let spec = load(folder(&text).path());
    let stored = ResolvedSpec::from_json(&spec.to_json(), "spec.json").unwrap();
    assert_eq!(stored, spec);
    assert_eq!(stored.digest(), spec.digest());
}

/// What names a run is its files' content.
#[test]
fn a_spec_without_its_digests_names_no_run() {
    let error = ResolvedSpec::new(with("")).unwrap_err().to_string();
    assert_eq!(error, "spec field `net`: the digest of `main.safetensors` is not known");
}

#[test]
fn typos_are_named() {
    for (line, words) in [
        ("guidence = 2.0", "unknown field `guidence`"),
        ("sampler = { S_chrun = 1 }", "unknown field `S_chrun`"),
        ("gnet = { path = \"x\", sha265 = \"\" }", "unknown field `sha265`"),
        ("engine = \"edm3\"", "unknown engine `edm3`: use one of `edm2`, `dataset`, `synthetic`"),
        (
            "labels = \"class:x\"",
            "unknown labels `class:x`: use one of `random`, `balanced`, `class:N`, `file:PATH`",
        ),
        ("gnet = { path = \"x\", sha256 = \"beef\" }", "`beef` is no sha256"),
    ] {
        let text = format!("{line}{MINIMAL}");
        let error = RunSpec::from_toml(&text, "run.toml").unwrap_err().to_string();
        assert!(error.contains(words) && error.contains("`run.toml`") && error.contains("line 1"), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }
    let error = RunSpec::from_json(r#"{"name": "x", "sedes": "1"}"#, "run.json").unwrap_err().to_string();
    assert!(error.contains("unknown field `sedes`"), "{error}");
}

#[test]
fn seeds_must_make_sense() {
    let seeds = |list: &str| MINIMAL.replace("0-1999", list);
    assert_eq!(refusal(&seeds("")), "spec field `seeds`: no seeds: give at least one, for example `0-49999`");
    assert_eq!(
        refusal(&seeds("5,3")),
        "spec field `seeds`: seed `3` comes after `5`: list each seed once, in ascending order"
    );
}

#[test]
fn every_rule_names_its_field() {
    let detector = "[[detectors]]\nname = \"fashion-cnn\"\nweights = \"w\"\n";
    for (text, field) in [
        (MINIMAL.replace("demo", "Demo/1"), "name"),
        (MINIMAL.replace("net =", "gnet ="), "net"),
        (MINIMAL.replace("main.safetensors", ""), "net"),
        (MINIMAL.replace("latents = true", ""), "outputs"),
        (plus("guidance = 1.4"), "guidance"),
        (plus("guidance = nan"), "guidance"),
        (plus("guidance_interval = [2.0, 1.0]"), "guidance_interval"),
        (plus("gnet_damage = { dropout = 0.1 }"), "gnet_damage"),
        (plus("net_damage = { dropout = 1 }"), "net_damage.dropout"),
        (plus("net_damage = { input_noise = -0.1 }"), "net_damage.input_noise"),
        (
            plus("engine = \"synthetic\"\nnet_damage = { dropout = 0.1 }")
                .replace("net = \"main.safetensors\"", ""),
            "net_damage",
        ),
        (plus("chunk_size = 0"), "chunk_size"),
        (plus("micro_batch = 257"), "micro_batch"),
        (plus("micro_batch = 0"), "micro_batch"),
        (plus("synthetic = {}"), "synthetic"),
        (plus("data = \"d.zip\""), "data"),
        (plus("engine = \"dataset\""), "net"),
        (plus("allow_unreadable = true"), "allow_unreadable"),
        (MINIMAL.replace("net = \"main.safetensors\"", "engine = \"dataset\"\ndata = \"d.zip\""), "outputs"),
        (plus("vae = \"v\""), "vae"),
        (plus("encoder = \"stability-vae\""), "vae"),
        (plus("engine = \"synthetic\""), "net"),
        (plus("sampler = { num_steps = 1 }"), "sampler.num_steps"),
        (plus("sampler = { sigma_min = 90 }"), "sampler.sigma_min"),
        (plus("sampler = { S_max = nan }"), "sampler.S_max"),
        (plus("sampler = { rho = inf }"), "sampler.rho"),
        (format!("{MINIMAL}{detector}{detector}"), "detectors[1].name"),
        (format!("{MINIMAL}{}", detector.replace("cnn", "x")), "detectors[0].name"),
        (format!("{MINIMAL}{detector}held_out = \"h\""), "detectors[0].name"),
    ] {
        let error = refusal(&text);
        assert!(error.starts_with(&format!("spec field `{field}`: ")), "{field}: {error}");
    }
    with("guidance = 1.0\ngnet = \"g\"").validate().unwrap();
    parse("name=\"s\"\nseeds=\"1\"\nengine=\"synthetic\"\noutputs={images=true}").validate().unwrap();
}

/// As the first versions had it: such runs are stored.
#[test]
fn what_an_engine_does_not_read_names_its_run_all_the_same() {
    for engine in ["engine = \"dataset\"\ndata = \"main.safetensors\"", "engine = \"synthetic\""] {
        let text = MINIMAL.replace("net = \"main.safetensors\"", engine).replace("latents = true", "");
        let detector = "[[detectors]]\nname = \"inception\"\nweights = \"w.safetensors\"\n";
        let spec = load(folder(&format!("noise = \"cuda\"\nencoder = \"rgb\"{text}{detector}")).path());
        let canonical = spec.canonical();
        assert!(canonical.contains("\"noise\":\"cuda\"") && canonical.contains("\"encoder\":\"rgb\""));
        assert!(
            canonical.contains("\"guidance\":1.0,") && !canonical.contains("\"synthetic\":"),
            "{canonical}"
        );
        assert_eq!(ResolvedSpec::from_json(&spec.to_json(), "spec.json").unwrap(), spec);
    }
}

#[test]
fn a_field_of_another_engine_says_whose_it_is() {
    let words =
        "spec field `data`: the engine `edm2` has no use for it: remove it, or set `engine` to `dataset`";
    assert_eq!(refusal(&plus("data = \"d.zip\"")), words);
}

#[test]
fn labels_have_four_forms() {
    let labels = |text: &str| with(&format!("labels = {text}")).engine.sampling().labels.clone();
    assert_eq!(labels("\"balanced\""), Labels::Balanced);
    assert_eq!(labels("\"class:7\""), Labels::Class(7));
    assert_eq!(labels("\"file:l.txt\""), Labels::File(FileRef::new("l.txt")));
    assert_eq!(labels("{ file = \"l.txt\" }"), labels("\"file:l.txt\""));
    let spec = load(folder(&format!("labels = \"file:w.safetensors\"{MINIMAL}")).path());
    let digest = Digest::of(b"weights");
    assert!(
        spec.canonical().contains(&format!("\"labels\":{{\"file\":{{\"sha256\":\"{digest}\"}}}}")),
        "{spec:?}"
    );
    assert_eq!(ResolvedSpec::from_json(&spec.to_json(), "spec.json").unwrap(), spec);
}

#[test]
fn published_figures_do_not_change_the_run() {
    let detector = "[[detectors]]\nname = \"inception\"\nweights = \"w.safetensors\"\n";
    let plain = load(folder(&format!("{MINIMAL}{detector}")).path());
    let beside = load(folder(&format!("{MINIMAL}{detector}published = 1.34")).path());
    assert_eq!(beside.detectors[0].published, Some(1.34));
    assert_eq!(plain.run_id(), beside.run_id());
}

#[test]
fn a_detector_of_ones_own_is_a_torchscript_file() {
    let own = |weights: &str| format!("{MINIMAL}[[detectors]]\nname = \"own\"\nweights = \"{weights}\"");
    parse(&own("own.pt")).validate().unwrap();
    assert!(refusal(&own("own.pth")).contains("unknown detector `own`"));
}

#[test]
fn spec_files_are_found_by_their_ending() {
    let error = RunSpec::load(Path::new("nowhere/run.yaml")).unwrap_err();
    assert!(matches!(error, SpecError::Format { .. }), "{error}");
    let error = RunSpec::load(Path::new("nowhere/run.toml")).unwrap_err();
    assert!(matches!(error, SpecError::Read { .. }), "{error}");
}

#[test]
fn kinds_follow_from_outputs_and_detectors() {
    let spec =
        parse(&format!("{MINIMAL}images = true\n[[detectors]]\nname = \"fashion-cnn\"\nweights = \"w\"\n"));
    assert_eq!(spec.kinds(), [Kind::Latents, Kind::Images, Kind::Features("fashion-cnn".into())]);
}

/// A default is no mistake of the user's; what is said stays.
#[test]
fn a_chunk_below_the_default_micro_batch_is_one_micro_batch() {
    let small = with("chunk_size = 16");
    small.validate().unwrap();
    assert_eq!(small.micro_batch, 16);
    assert_eq!(RunSpec::from_json(&small.to_json(), "test").unwrap(), small);
    let json = r#"{"name":"demo","seeds":"0-9","net":"n","chunk_size":8,"outputs":{"latents":true}}"#;
    assert_eq!(RunSpec::from_json(json, "test").unwrap().micro_batch, 8);
    assert_eq!(with("").micro_batch, 64);
    let said = plus("chunk_size = 16\nmicro_batch = 64");
    assert!(refusal(&said).contains("`64` is out of range"), "{}", refusal(&said));
}

const TRAINING: &str = r#"
name = "xs"
engine = "train"
[train]
data = "sets/img64.zip"
preset = "edm2-img64-xs"
recipe = { steps = 10, net = { dropout = 0.1 } }
"#;

/// A run without seeds, files or outputs of its own, known by what it says.
#[test]
fn a_training_is_one_chunk() {
    let training = folder(TRAINING);
    let spec = load(training.path());
    assert_eq!((crate::plan::Plan::new(&spec).num_chunks(), spec.kinds(), spec.files()), (1, vec![], vec![]));
    let data = training.path().join("sets/img64.zip").display().to_string();
    let settings = &spec.engine.train().unwrap().settings;
    assert_eq!(
        (settings.data.as_str(), settings.state_images, settings.threads),
        (data.as_str(), 8 << 20, 1)
    );
    assert_eq!(ResolvedSpec::from_json(&spec.to_json(), "spec.json").unwrap(), spec);
    let of = |text: &str| ResolvedSpec::new(parse(text)).unwrap().canonical();
    let canonical = of(TRAINING);
    // As for the others: a change here orphans every training there ever was.
    let pinned = concat!(
        r#"{"chunk_size":256,"detectors":[],"engine":"train","guidance":1.0,"labels":"random","micro_batch":64,"name":"xs","#,
        r#""noise":"cpu","outputs":{"images":false,"latents":false},"precision":"fp32","#,
        r#""sampler":{"S_churn":0.0,"S_max":"inf","S_min":0.0,"S_noise":1.0,"num_steps":32,"rho":7.0,"sigma_max":80.0,"#,
        r#""sigma_min":0.002,"state":"fp32"},"seeds":"0","train":{"data":"sets/img64.zip","preset":"edm2-img64-xs","#,
        r#""readers":2,"recipe":{"net":{"dropout":0.1},"steps":10},"snapshot_images":8388608,"state_images":8388608,"#,
        r#""stats_steps":50,"threads":1}}"#
    );
    assert_eq!(canonical, pinned);
    assert_ne!(canonical, of(&TRAINING.replace("img64.zip", "other.zip")));
    for (from, to, words) in [
        ("engine", "seeds = \"0-9\"\nengine", "`seeds`: a training is a run of one seed"),
        ("engine = \"train\"", "seeds = \"0\"\nnet = \"x\"", "`train`: the engine `edm2` has no use for it"),
        ("[train]", "outputs = { latents = true }\n[train]", "`outputs`"),
        (
            "preset = \"edm2-img64-xs\"\nrecipe = { steps = 10, net = { dropout = 0.1 } }",
            "",
            "`train.recipe`: missing",
        ),
        ("[train]", "[train]\nstate_images = 0", "`train.state_images`"),
        ("[train]", "[train]\nstate_image = 1", "state_image"),
        ("sets/img64.zip", "gopher://x", "`train.data`"),
        ("sets/img64.zip", "", "`train.data`: the path is empty"),
        ("[train]", "[[detectors]]\nname = \"fashion-cnn\"\nweights = \"w\"\n[train]", "`detectors`"),
    ] {
        let error = refusal(&TRAINING.replace(from, to));
        assert!(error.contains(words), "{to}: {error}");
    }
    assert!(refusal("name = \"x\"\nengine = \"train\"").contains("`train`: missing"));
    assert!(refusal("name = \"x\"\nnet = \"y\"").contains("`seeds`: missing"));
}
