//! Agreement with an independent implementation (tests/fixtures), within the tolerances that its author gives:
//! forward 2e-5, whole sampling runs 5e-4 of the largest magnitude, noise and labels exactly.

#![allow(clippy::disallowed_macros, reason = "the words of a test")]

use std::path::{Path, PathBuf};

use fidelis_edm2::checkpoint::{Checkpoint, TensorFile};
use fidelis_edm2::encoder::Codec;
use fidelis_edm2::guidance::GuidedNet;
use fidelis_edm2::net::{Precision, Precond};
use fidelis_edm2::noise::{Classes, Draws, Stream};
use fidelis_edm2::sampler::{Sampler, State};
use serde_json::Value;
use tch::{Device, Kind, Tensor};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures").join(name)
}

fn tensors(name: &str) -> TensorFile {
    TensorFile::read(&fixture(name)).unwrap()
}

fn net(name: &str) -> Precond {
    let checkpoint = Checkpoint::read(&fixture(&format!("edm2-{name}.pkl"))).unwrap();
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

#[test]
fn forward() {
    let _guard = quiet();
    for name in ["main", "guide", "null", "uncond"] {
        let (net, golden) = (net(name), tensors(&format!("forward-{name}.safetensors")).tensors);
        let (x, sigma, label) = (&golden["x"], &golden["sigma"], &golden["label"]);
        check(&format!("{name} D"), &net.denoise(x, sigma, Some(label)), &golden["D"], 2e-5);
        check(&format!("{name} logvar"), &net.logvar(sigma), &golden["logvar"], 2e-5);
        check(&format!("{name} emb_noise"), &net.embed_noise(sigma), &golden["emb_noise"], 2e-5);
        if let Some(expected) = golden.get("D_nolabel") {
            check(&format!("{name} D_nolabel"), &net.denoise(x, sigma, None), expected, 2e-5);
        }
    }
}

fn sampler(case: &Value) -> Sampler {
    let default = Sampler::default();
    let number = |key: &str, default: f64| case.get(key).map_or(default, |v| v.as_f64().unwrap());
    Sampler {
        num_steps: case["num_steps"].as_u64().unwrap() as usize,
        sigma_min: number("sigma_min", default.sigma_min),
        sigma_max: number("sigma_max", default.sigma_max),
        rho: number("rho", default.rho),
        s_churn: number("S_churn", default.s_churn),
        s_min: number("S_min", default.s_min),
        s_max: number("S_max", default.s_max),
        s_noise: number("S_noise", default.s_noise),
        state: if case.get("state").is_some_and(|s| s == "float64") { State::Fp64 } else { State::Fp32 },
    }
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
        stream: Stream::Cpu,
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
    check(name, &latent, &golden["latent"], 5e-4);
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

#[test]
fn an_image_depends_on_its_own_seed_alone() {
    for stream in [Stream::Cpu, Stream::Cuda] {
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
