//! Agreement with an independent implementation (tests/fixtures), within the tolerances that its author gives:
//! forward 2e-6, whole sampling runs 1e-5 of the largest magnitude, noise and labels exactly.

#![allow(clippy::disallowed_macros, reason = "the words of a test")]

use std::path::{Path, PathBuf};

use fidelis_contract::spec::{NoiseMode, SamplerSpec, StateDtype};
use fidelis_edm2::checkpoint::{Checkpoint, TensorFile};
use fidelis_edm2::encoder::Codec;
use fidelis_edm2::guidance::GuidedNet;
use fidelis_edm2::net::{Precision, Precond};
use fidelis_edm2::noise::{Classes, Draws};
use fidelis_edm2::sampler::Sampler;
use serde_json::Value;
use tch::{Device, Kind, Tensor};

/// Of the largest magnitude of the tensor.
const FORWARD: f64 = 2e-6;
const SAMPLE: f64 = 1e-5;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures").join(name)
}

fn tensors(name: &str) -> TensorFile {
    TensorFile::read(&fixture(name)).unwrap()
}

fn net(name: &str) -> Precond {
    loaded(&format!("edm2-{name}.pkl"))
}

fn loaded(file: &str) -> Precond {
    let checkpoint = Checkpoint::read(&fixture(file)).unwrap();
    Precond::load(&checkpoint.state, &checkpoint.config, Device::Cpu, Precision::Fp32).unwrap()
}

/// Largest difference over the largest magnitude of `expected`.
fn relative(found: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(found.size(), expected.size());
    let (found, expected) = (found.to_kind(Kind::Double), expected.to_kind(Kind::Double));
    (found - &expected).abs().max().double_value(&[]) / expected.abs().max().double_value(&[])
}

fn check(what: &str, found: &Tensor, expected: &Tensor, tolerance: f64) {
    let difference = relative(found, expected);
    println!("{what}: {difference:.2e}");
    assert!(difference <= tolerance, "{what}: {difference:.2e} is above {tolerance:.0e}");
}

/// One thread for a test: torch's own would spin against those of the tests beside it.
fn quiet() -> tch::NoGradGuard {
    tch::set_num_threads(1);
    tch::no_grad_guard()
}

fn check_forward(name: &str, net: &Precond, golden: &str) {
    let golden = tensors(golden).tensors;
    let (x, sigma, label) = (&golden["x"], &golden["sigma"], &golden["label"]);
    check(&format!("{name} D"), &net.denoise(x, sigma, Some(label)), &golden["D"], FORWARD);
    check(&format!("{name} logvar"), &net.logvar(sigma), &golden["logvar"], FORWARD);
    if let Some(expected) = golden.get("emb_noise") {
        check(&format!("{name} emb_noise"), &net.embed_noise(sigma), expected, FORWARD);
    }
    if let Some(expected) = golden.get("D_nolabel") {
        check(&format!("{name} D_nolabel"), &net.denoise(x, sigma, None), expected, FORWARD);
    }
}

#[test]
fn forward() {
    let _guard = quiet();
    for name in ["main", "guide", "null", "uncond"] {
        check_forward(name, &net(name), &format!("forward-{name}.safetensors"));
    }
    check_forward("rgb", &loaded("published/edm2-rgb.pkl"), "published/forward-rgb.safetensors");
}

/// What is between the two is the rounding of the gains: float32 gains of the same values have none.
#[test]
fn gains_act_in_the_type_in_which_they_are_stored() {
    let _guard = quiet();
    let golden = tensors("forward-main.safetensors").tensors;
    let Checkpoint { config, mut state } = Checkpoint::read(&fixture("edm2-main.pkl")).unwrap();
    for (_, gain) in state.iter_mut().filter(|(name, _)| name.ends_with("_gain")) {
        assert_eq!(gain.kind(), Kind::Half);
        *gain = gain.to_kind(Kind::Float);
    }
    let single = Precond::load(&state, &config, Device::Cpu, Precision::Fp32).unwrap();
    let off = relative(&single.denoise(&golden["x"], &golden["sigma"], Some(&golden["label"])), &golden["D"]);
    println!("with float32 gains: {off:.2e}");
    assert!((1e-5..1e-3).contains(&off), "{off:.2e}");
}

fn sampler(case: &Value) -> Sampler {
    let default = SamplerSpec::DEFAULT;
    let number = |key: &str, default: f64| case.get(key).map_or(default, |v| v.as_f64().unwrap());
    Sampler::new(SamplerSpec {
        num_steps: case["num_steps"].as_u64().unwrap() as u32,
        sigma_min: number("sigma_min", default.sigma_min),
        sigma_max: number("sigma_max", default.sigma_max),
        rho: number("rho", default.rho),
        s_churn: number("S_churn", default.s_churn),
        s_min: number("S_min", default.s_min),
        s_max: number("S_max", default.s_max),
        s_noise: number("S_noise", default.s_noise),
        state: if case.get("state").is_some_and(|s| s == "float64") {
            StateDtype::Fp64
        } else {
            StateDtype::Fp32
        },
    })
}

fn sample_case(name: &str, case: &Value, seeds: &[u64]) {
    let golden = tensors(&format!("sample-{name}.safetensors")).tensors;
    let gnet = case["gnet"].as_str().map(net);
    let interval = case.get("interval").map(|i| (i[0].as_f64().unwrap(), i[1].as_f64().unwrap()));
    let nets = GuidedNet::new(
        net(case["net"].as_str().unwrap()),
        gnet,
        case["guidance"].as_f64().unwrap(),
        interval,
    )
    .unwrap();
    let (config, sampler) = (nets.net().config().clone(), sampler(case));
    let draws = Draws {
        stream: NoiseMode::Cpu,
        shape: config.image_shape(),
        label_dim: config.label_dim,
        classes: case.get("klass").and_then(Value::as_i64).map_or(Classes::Drawn, Classes::Fixed),
        churn_steps: sampler.churn_steps(),
    }
    .of(seeds);
    assert_eq!(draws.noise, golden["noise"], "{name}: noise");
    if let Some(labels) = &draws.labels {
        assert_eq!(*labels, golden["label"], "{name}: labels");
    }
    let denoise = |x: &Tensor, sigma: f64| Ok(nets.denoise(x, sigma, draws.labels.as_ref()));
    let latent = sampler.run(&draws.noise, &draws.churn, denoise).unwrap();
    assert_eq!(latent.kind(), golden["latent"].kind());
    check(name, &latent, &golden["latent"], SAMPLE);
    if let Some(rgb) = golden.get("rgb") {
        let found = Codec::Rgb.decode(&latent).unwrap().to_kind(Kind::Int);
        let off = (found - rgb.to_kind(Kind::Int)).abs();
        println!(
            "{name} rgb: {} of {} pixels differ",
            off.count_nonzero(None::<i64>).int64_value(&[]),
            off.numel()
        );
        assert!(off.max().int64_value(&[]) <= 1);
    }
}

#[test]
fn sample() {
    let _guard = quiet();
    let cases: Value = serde_json::from_slice(&std::fs::read(fixture("sample.json")).unwrap()).unwrap();
    let seeds: Vec<u64> = cases["seeds"].as_array().unwrap().iter().map(|s| s.as_u64().unwrap()).collect();
    let cases = cases["cases"].as_object().unwrap();
    assert_eq!(cases.len(), 10);
    for (name, case) in cases {
        sample_case(name, case, &seeds);
    }
}

/// Seeds beyond 2³² among them: they count modulo that.
#[test]
fn sample_of_a_published_layout() {
    let _guard = quiet();
    let golden = tensors("published/sample-rgb-16.safetensors").tensors;
    let seeds: Vec<i64> = golden["seeds"].shallow_clone().try_into().unwrap();
    assert!(seeds.contains(&((1 << 40) + 3)));
    let seeds: Vec<u64> = seeds.into_iter().map(|seed| seed as u64).collect();
    let nets = GuidedNet::new(loaded("published/edm2-rgb.pkl"), None, 1.0, None).unwrap();
    let sampler = Sampler::new(SamplerSpec { num_steps: 16, ..SamplerSpec::DEFAULT });
    let config = nets.net().config();
    let (shape, label_dim) = (config.image_shape(), config.label_dim);
    let draws = Draws { stream: NoiseMode::Cpu, shape, label_dim, classes: Classes::Drawn, churn_steps: 0 };
    let draws = draws.of(&seeds);
    assert_eq!(draws.noise, golden["noise"]);
    assert_eq!(draws.labels, Some(golden["label"].shallow_clone()));
    let denoise = |x: &Tensor, sigma: f64| Ok(nets.denoise(x, sigma, draws.labels.as_ref()));
    let latent = sampler.run(&draws.noise, &draws.churn, denoise).unwrap();
    check("rgb-16", &latent, &golden["latent"], SAMPLE);
}

#[test]
fn an_image_depends_on_its_own_seed_alone() {
    for stream in [NoiseMode::Cpu, NoiseMode::Cuda] {
        let classes = Classes::Drawn;
        let draws = Draws { stream, shape: [4, 16, 16], label_dim: 10, classes, churn_steps: 2 };
        let (both, alone) = (draws.of(&[5, 6]), draws.of(&[6]));
        assert_eq!(both.noise.narrow(0, 1, 1), alone.noise);
        assert_eq!(both.labels.unwrap().narrow(0, 1, 1), alone.labels.unwrap());
        assert_eq!(both.churn[1].narrow(0, 1, 1), alone.churn[1]);
        assert_ne!(alone.churn[0], alone.churn[1]);
        assert_ne!(alone.churn[0], alone.noise);
        for classes in [Classes::Fixed(3), Classes::Balanced, Classes::Listed([1, 2].into())] {
            let other = Draws { classes, ..draws.clone() }.of(&[6]);
            assert_eq!(other.churn[0], alone.churn[0], "a class must not move what is drawn after it");
        }
    }
}
