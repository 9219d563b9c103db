//! How fast the stages of a run go: guided sampling, decoding, detectors.

use std::collections::BTreeMap;
use std::time::Duration;

use fidelis_edm2::checkpoint::TensorFile;
use fidelis_edm2::detector::{Detector, DinoV2, Inception, Preprocessing};
use fidelis_edm2::encoder::StabilityVae;
use fidelis_edm2::generate::Generator;
use fidelis_edm2::noise::with_seed;
use serde_json::json;
use tch::{Device, Kind, Tensor};

use crate::clock::{seconds_each, timed};
use crate::common::fixture;
use crate::common::golden::detectors::recipe as weights;
use crate::nets;
use crate::repeat::recipe;
use crate::report::Report;
use crate::setting::{PRECISIONS, Setting};

const PATIENCE: Duration = Duration::from_secs(1);

pub fn check(setting: &Setting, report: &Report) {
    // float32 is some ten times slower: fewer steps for it.
    for (precision, num_steps) in [("fp16", 32), ("bf16", 32), ("fp32", 8)] {
        sampling(setting, report, precision, if setting.is_tiny() { 2 } else { num_steps });
    }
    let vae = vae_weights(setting);
    for (name, precision) in &PRECISIONS[..2] {
        let (n, side) = if setting.is_tiny() { (2, 8) } else { (16, 64) };
        let place = (setting.device, *precision);
        let vae = StabilityVae::load(&vae, place).unwrap_or_else(|error| panic!("{error}"));
        let latents = Tensor::randn([n, 4, side, side], (Kind::Float, setting.device));
        let seconds =
            seconds_each(setting.device, PATIENCE, || drop(vae.decode(&latents).expect("latents that fit")));
        report.measured(json!({"what": "vae decode", "precision": name, "images": n, "side": side * 8,
            "images_per_s": n as f64 / seconds}));
    }
    detectors(setting, report);
}

/// Guided by a smaller net, from seeds to buffers in memory.
fn sampling(setting: &Setting, report: &Report, precision: &str, num_steps: u32) {
    let n = if setting.is_tiny() { 2 } else { 64 };
    let mut recipe = recipe(setting, precision, n);
    recipe.model.net = nets::file(setting, "S");
    recipe.model.gnet = Some(nets::file(setting, "XS"));
    recipe.model.sampling.sampler.num_steps = num_steps;
    let mut generator = Generator::load(&recipe, setting.device, 1).unwrap_or_else(|error| panic!("{error}"));
    let mut generate = |seeds: std::ops::Range<u64>| {
        drop(
            generator
                .generate(&seeds.collect::<Vec<_>>(), &|| false)
                .unwrap_or_else(|error| panic!("{error}")),
        );
    };
    generate(0..n as u64);
    let (seconds, ()) = timed(setting.device, || generate(0..n as u64));
    report.measured(json!({"what": "S guided by XS", "precision": precision, "num_steps": num_steps,
        "micro_batch": n, "images_per_s": n as f64 / seconds}));
}

/// The published autoencoder's shape with random weights; where all is tiny, the fixture.
fn vae_weights(setting: &Setting) -> std::path::PathBuf {
    if setting.is_tiny() {
        return fixture("vae-tiny.safetensors");
    }
    let random = |shape: &[i64]| match shape {
        [_] => Tensor::ones(shape, tch::kind::FLOAT_CPU),
        [_, rest @ ..] => {
            Tensor::randn(shape, tch::kind::FLOAT_CPU) / (rest.iter().product::<i64>() as f64).sqrt()
        }
        [] => Tensor::ones([], tch::kind::FLOAT_CPU),
    };
    let layout = StabilityVae::layout().into_iter();
    let tensors: BTreeMap<_, _> =
        with_seed(7, || layout.map(|(name, shape)| (name, random(&shape))).collect());
    let path = setting.work.join("random-vae.safetensors");
    let file = TensorFile { tensors, ..TensorFile::default() };
    file.write(&path).unwrap_or_else(|error| panic!("{error}"));
    path
}

fn detectors(setting: &Setting, report: &Report) {
    let made = |name: &str| weights::weights(name).expect("a detector with a recipe");
    let inception = Inception::new(made("inception"), setting.device).expect("weights that fit");
    row(setting, report, ("inception", Detector::Inception(Box::new(inception), Preprocessing::Tf1)));
    if setting.is_tiny() {
        return report.skipped("dinov2", "on a CPU it takes too long");
    }
    let dinov2 = DinoV2::new(made("dinov2"), setting.device).expect("weights that fit");
    row(setting, report, ("dinov2", Detector::DinoV2(Box::new(dinov2))));
}

fn row(setting: &Setting, report: &Report, (name, detector): (&str, Detector)) {
    let (n, side) = if setting.is_tiny() { (1, 64) } else { (64, 512) };
    let images = Tensor::randint(256, [n, 3, side, side], (Kind::Uint8, Device::Cpu));
    let patience = if setting.is_tiny() { Duration::ZERO } else { PATIENCE };
    let seconds =
        seconds_each(setting.device, patience, || drop(detector.features(&images).expect("images that fit")));
    report.measured(json!({"what": name, "images": n, "side": side, "images_per_s": n as f64 / seconds}));
}
