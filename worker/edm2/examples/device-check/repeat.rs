//! Which repetitions give the same bits, and how far the others drift (D1, D2).

use std::process::{Command, Stdio};
use std::time::Duration;

use fidelis_contract::spec::{Edm2Spec, Outputs, SamplerSpec, Sampling};
use fidelis_edm2::generate::{Buffer, Generator, Recipe};
use serde_json::{Value, json};
use tch::{Kind, Tensor};

use crate::bits::{digest, drift};
use crate::clock::seconds_each;
use crate::nets;
use crate::report::Report;
use crate::setting::{PRECISIONS, Setting, arguments, precision};

/// The micro-batch that a spec would name.
const MICRO_BATCH: usize = 8;

/// A guided pair of random nets, few steps.
pub fn recipe(setting: &Setting, precision_name: &str, micro_batch: usize) -> Recipe {
    let model = Edm2Spec {
        net: nets::file(setting, "XS"),
        gnet: Some(nets::file(setting, "XXS")),
        vae: None,
        vae_precision: None,
        sampling: Sampling {
            guidance: 1.7,
            sampler: SamplerSpec { num_steps: 3, ..SamplerSpec::DEFAULT },
            precision: precision(precision_name),
            ..Sampling::default()
        },
    };
    let outputs = Outputs { latents: true, images: false };
    Recipe { model, micro_batch, outputs, detectors: Default::default() }
}

/// The latents of `seeds`.
pub fn latents(generator: &mut Generator, seeds: &[u64]) -> Buffer<f32> {
    let generated = generator.generate(seeds, &|| false).unwrap_or_else(|error| panic!("{error}"));
    generated.latents.expect("the recipe asks for latents")
}

pub fn check(setting: &Setting, report: &Report) {
    for (name, _) in &PRECISIONS[..2] {
        repetitions(setting, report, name);
        micro_batches(setting, report, name);
    }
    convolutions(setting, report);
}

fn load(setting: &Setting, precision: &str, micro_batch: usize) -> Generator {
    let recipe = recipe(setting, precision, micro_batch);
    Generator::load(&recipe, setting.device, 1).unwrap_or_else(|error| panic!("{error}"))
}

fn chunk() -> Vec<u64> {
    (0..2 * MICRO_BATCH as u64).collect()
}

fn repetitions(setting: &Setting, report: &Report, precision: &str) {
    let row = |what: &str, equal: bool| {
        report.holds(equal, json!({"what": what, "precision": precision, "equal": equal}));
    };
    let mut generator = load(setting, precision, MICRO_BATCH);
    let first = latents(&mut generator, &chunk());
    row("the same chunk again", latents(&mut generator, &chunk()) == first);
    row("in another process", elsewhere(precision) == digest(&first.data));
    let mut other = load(setting, precision, MICRO_BATCH);
    for before in [100, 200, 301] {
        latents(&mut other, &(before..before + 11).collect::<Vec<_>>());
    }
    row("after other chunks", latents(&mut other, &chunk()) == first);
}

/// The digest of the same chunk from another process.
fn elsewhere(precision: &str) -> String {
    let own = std::env::current_exe().expect("a program has a path");
    let child = Command::new(own).args(["repeat-once", precision]).stderr(Stdio::inherit()).output();
    let output = child.unwrap_or_else(|error| panic!("cannot start this program again: {error}"));
    let row: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    row["digest"].as_str().unwrap_or_default().to_owned()
}

/// The chunk of [`check`], for a process that asks another.
pub fn once(setting: &Setting, report: &Report) {
    let [precision] = arguments("repeat-once PRECISION");
    let latents = latents(&mut load(setting, &precision, MICRO_BATCH), &chunk());
    report.measured(json!({"digest": digest(&latents.data)}));
}

/// Only the spec's micro-batch is promised the same bits.
fn micro_batches(setting: &Setting, report: &Report, precision: &str) {
    let seeds: Vec<u64> = (0..if setting.is_tiny() { 16 } else { 64 }).collect();
    let mut generator = load(setting, precision, MICRO_BATCH);
    let expected = latents(&mut generator, &seeds);
    for micro_batch in [1, MICRO_BATCH, 64] {
        generator.set_micro_batch(micro_batch);
        let found = latents(&mut generator, &seeds);
        report.measured(
            json!({"what": "micro-batch against 8", "micro_batch": micro_batch, "precision": precision,
            "equal": found == expected, "drift": drift(&found, &expected)}),
        );
    }
}

/// What torch's switches do to one convolution of an XS net: its bits and its time.
fn convolutions(setting: &Setting, report: &Report) {
    let (n, channels, side) = if setting.is_tiny() { (2, 8, 16) } else { (32, 256, 32) };
    for (name, kind) in [("fp32", Kind::Float), ("fp16", Kind::Half)] {
        let random = |shape: [i64; 4]| {
            tch::manual_seed(7);
            Tensor::randn(shape, tch::kind::FLOAT_CPU).to_device(setting.device).to_kind(kind)
        };
        let (x, weight) = (random([n, channels, side, side]), random([channels, channels, 3, 3]));
        for (benchmark, deterministic) in [(false, true), (false, false), (true, false)] {
            let call = || {
                let (stride, padding, dilation, output_padding) = ([1, 1], [1, 1], [1, 1], [0, 0]);
                x.internal_convolution(
                    &weight,
                    None::<Tensor>,
                    stride,
                    padding,
                    dilation,
                    false,
                    output_padding,
                    1,
                    benchmark,
                    deterministic,
                    true,
                    false,
                )
            };
            let first = call();
            let equal = (0..20).all(|_| call() == first);
            let seconds = seconds_each(setting.device, Duration::from_millis(100), || drop(call()));
            report.measured(
                json!({"what": "a convolution 20 times", "precision": name, "benchmark": benchmark,
                "deterministic": deterministic, "equal": equal, "seconds": seconds}),
            );
        }
    }
}
