//! Training, averages and the 2D example against what the authors' published program gave.

mod common;

use std::path::Path;

use common::agreement::{Agreement, agree};
use common::{fixture, tensors};
use fidelis_edm2::checkpoint::{Checkpoint, TensorFile};
use fidelis_edm2::net::{NetConfig, Precision, Precond, StateDict};
use fidelis_edm2::toy;
use fidelis_edm2::train::{Folder, posthoc::Reconstruction};
use fidelis_edm2::train::{Learner, replay};
use tch::{Device, Kind, Tensor};

fn check(what: &str, found: &Tensor, expected: &Tensor, tolerance: f64) {
    agree(&[Agreement::of(what, found, expected, tolerance)]);
}

/// Every tensor of `expected` under one of the prefixes.
fn compare(found: &TensorFile, expected: &TensorFile, tolerances: &[(&str, f64)]) {
    for (prefix, tolerance) in tolerances {
        let of_prefix: Vec<_> =
            expected.tensors.iter().filter(|(name, _)| name.starts_with(prefix)).collect();
        assert!(!of_prefix.is_empty(), "{prefix}");
        for (name, tensor) in of_prefix {
            check(name, &found.tensors[name], tensor, *tolerance);
        }
    }
}

#[test]
fn recorded_steps_come_to_the_recorded_weights() {
    tch::set_num_threads(1);
    for name in ["train/train-plain.safetensors", "train/train-accum.safetensors"] {
        let expected = tensors(name);
        let found = replay(&fixture(name), Device::Cpu).unwrap();
        compare(
            &found,
            &expected,
            &[
                ("losses", 1e-5),
                ("lrs", 1e-9),
                ("grad0/", 1e-3),
                ("final/", 1e-4),
                ("ema-0.050/", 1e-4),
                ("ema-0.100/", 1e-4),
            ],
        );
    }
}

/// Training's forward pass has its own order of operations, on nets with odd options too.
#[test]
fn a_net_in_training_is_the_function_of_the_net_at_rest() {
    tch::set_num_threads(1);
    for (net, forward) in [("edm2-uncond.pkl", "forward-uncond"), ("edm2-main.pkl", "forward-main")] {
        let Checkpoint { state, config } = Checkpoint::read(&fixture(net)).unwrap();
        let config = NetConfig { dropout: 0.0, ..config };
        // Training has its gains in float32.
        let state: StateDict = state.iter().map(|(name, t)| (name.clone(), t.to_kind(Kind::Float))).collect();
        let inputs = tensors(&format!("{forward}.safetensors"));
        let [x, sigma] = ["x", "sigma"].map(|name| &inputs.tensors[name]);
        let labels = inputs.tensors.get("label").filter(|_| config.label_dim > 0);
        let learner = Learner::starting_from(&state, &config, Device::Cpu, &[]).unwrap();
        let rest = Precond::load(state, &config, Device::Cpu, Precision::Fp32).unwrap();
        let found = learner.net.denoise(x, sigma, labels).detach();
        check(forward, &found, &rest.denoise(x, sigma, labels), 5e-6);
    }
}

/// Without its half-sized rounds and their own gradients, the accumulated case is another run.
#[test]
fn two_rounds_are_one() {
    tch::set_num_threads(1);
    let path = fixture("train/train-accum.safetensors");
    let mut recording = TensorFile::read(&path).unwrap();
    let run = recording.metadata["run"].replace("\"rounds\": 2", "\"rounds\": 1");
    assert_ne!(run, recording.metadata["run"]);
    recording.metadata.insert("run".to_owned(), run);
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole.safetensors");
    recording.write(&whole).unwrap();
    let (parts, whole) = (replay(&path, Device::Cpu).unwrap(), replay(&whole, Device::Cpu).unwrap());
    compare(&whole, &parts, &[("losses", 1e-5), ("final/", 1e-4), ("ema-0.050/", 1e-4)]);
}

/// A step in which float16 overflowed, as a recording can say.
#[test]
fn gradients_that_are_not_finite_count_as_zero() {
    tch::set_num_threads(1);
    let mut recording = tensors("train/train-plain.safetensors");
    let run = recording.metadata["run"].replace("\"poison\": null", "\"poison\": 4");
    recording.metadata.insert("run".to_owned(), run);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("poisoned.safetensors");
    recording.write(&path).unwrap();
    let found = replay(&path, Device::Cpu).unwrap();
    assert!(found.tensors.values().all(|tensor| bool::try_from(tensor.isfinite().all()).unwrap()));
    // The last step moves the two by what is left of their momentum, the others by their gradients too.
    let moved = |name: &str| (&found.tensors[name] - &recording.tensors[name]).abs().flatten(0, -1);
    let out_conv = moved("final/unet.out_conv.weight");
    assert!(out_conv.narrow(0, 0, 2).min().double_value(&[]) > 1e-5, "{out_conv}");
    assert!(out_conv.slice(0, 2, None::<i64>, 1).max().double_value(&[]) < 1e-6);
    assert!(moved("final/unet.emb_noise.weight").max().double_value(&[]) < 1e-6);
}

#[test]
fn a_recording_that_is_none_is_named() {
    let refused = |path: &Path| replay(path, Device::Cpu).unwrap_err().to_string();
    let error = refused(&fixture("toy/toy-model.safetensors"));
    assert!(error.contains("`run`") && error.contains("toy-model"), "{error}");
    assert!(refused(Path::new("/nowhere.safetensors")).contains("/nowhere.safetensors"));
    let mut recording = tensors("train/train-plain.safetensors");
    recording.tensors.remove("step2/noise");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("short.safetensors");
    recording.write(&path).unwrap();
    assert!(refused(&path).contains("`step2/noise`"));
    recording.tensors.insert("step0/labels".to_owned(), Tensor::from_slice(&[0_i64, 1, 2, 5]));
    recording.write(&path).unwrap();
    assert!(refused(&path).contains("`step0/labels` holds classes `0` to `5` of `5`"));
}

/// Each stored average out of the others: of a random walk, so only as well as their profiles meet its own.
#[test]
fn stored_averages_come_out_of_the_others_as_far_as_these_express_them() {
    let from = Folder::to_read(&fixture("phema"));
    let check = Reconstruction::check(&from, None).unwrap();
    assert_eq!((check.images, check.inputs.len(), check.outputs.len()), (25_165_824, 6, 2));
    let differences = check.differences(&from, &|_, _| {}).unwrap();
    for (index, (output, difference)) in check.outputs.iter().zip(&differences).enumerate() {
        assert_eq!(
            (output.name.as_str(), output.coefficients[4 + index]),
            (check.inputs[4 + index].name.as_str(), 0.0)
        );
        assert!(difference.relative < output.misfit && difference.relative > 1e-4, "{difference:?}");
    }
    // With the average itself among the inputs there is nothing left to miss.
    let mut cheat = check;
    for (index, output) in cheat.outputs.iter_mut().enumerate() {
        output.coefficients = (0..6).map(|input| f64::from(u8::from(input == 4 + index))).collect();
    }
    assert!(cheat.differences(&from, &|_, _| {}).unwrap().iter().all(|none| none.largest < 1e-6));
}

#[test]
fn reconstructed_averages_are_the_authors_to_one_step_of_float16() {
    let folder = tempfile::tempdir().unwrap();
    let snapshots = fixture("phema");
    let (from, to) = (Folder::to_read(&snapshots), Folder::to_read(folder.path()));
    let plan = Reconstruction::plan(&from, &[0.03, 0.1], Some(25165)).unwrap();
    assert_eq!((plan.images, plan.inputs.len()), (25_165_824, 6));
    let names = plan.blend((&from, &to), &|_, _| {}).unwrap();
    assert_eq!(names, ["phema-0025165-0.030.safetensors", "phema-0025165-0.100.safetensors"]);
    let paths: Vec<_> = names.iter().map(|name| folder.path().join(name)).collect();
    let expected = tensors("phema/phema-0025165-0.030.safetensors");
    let found = Checkpoint::read(&paths[0]).unwrap();
    assert_eq!(found.state.len(), expected.tensors.len());
    let bits = |tensor: &Tensor| tensor.view_dtype(Kind::Int16).to_kind(Kind::Int64);
    for (name, tensor) in &expected.tensors {
        let steps = (bits(&found.state[name]) - bits(tensor)).abs().max().int64_value(&[]);
        assert!(steps <= 1, "{name}: {steps} steps");
    }
    // One that is there comes out as it is, but for the last bit.
    let (stored, again) = (
        Checkpoint::read(&snapshots.join("network-snapshot-0025165-0.100.pkl")).unwrap(),
        Checkpoint::read(&paths[1]).unwrap(),
    );
    for (name, tensor) in &stored.state {
        check(name, &again.state[name], tensor, 1e-3);
    }
    // What is there already is not made again.
    let written = std::fs::metadata(&paths[0]).unwrap().modified().unwrap();
    let nothing = |_, _| panic!("nothing is left to do");
    assert_eq!(plan.blend((&from, &to), &nothing).unwrap(), [""; 0]);
    assert_eq!(std::fs::metadata(&paths[0]).unwrap().modified().unwrap(), written);
    // What is not whole is made again, and nothing else.
    let whole = std::fs::read(&paths[1]).unwrap();
    std::fs::write(&paths[1], &whole[..whole.len() - 1]).unwrap();
    assert_eq!(plan.blend((&from, &to), &|_, _| {}).unwrap(), [&*names[1]]);
    assert!(std::fs::read(&paths[1]).unwrap() == whole);
    assert_eq!(std::fs::metadata(&paths[0]).unwrap().modified().unwrap(), written);
}

#[test]
fn the_ground_truth_is_the_authors() {
    let expected = tensors("toy/toy-gt.safetensors").tensors;
    for (classes, name) in [(toy::Classes::A, "A"), (toy::Classes::Both, "AB")] {
        let truth = toy::ground_truth(classes);
        let column = |value: &dyn Fn(&toy::mixture::Gaussian) -> Vec<f64>| -> Tensor {
            Tensor::from_slice(&truth.components().iter().flat_map(value).collect::<Vec<f64>>())
        };
        let n = truth.components().len() as i64;
        check("phi", &column(&|c| vec![c.weight]), &expected[&format!("{name}.phi")], 1e-6);
        check("mu", &column(&|c| c.mean.to_vec()).reshape([n, 2]), &expected[&format!("{name}.mu")], 1e-6);
        let sigma = column(&|c| vec![c.covariance[0], c.covariance[1], c.covariance[1], c.covariance[2]]);
        check("Sigma", &sigma.reshape([n, 2, 2]), &expected[&format!("{name}.Sigma")], 1e-6);
    }
}

/// The largest difference of a row over the row's magnitude.
fn check_rows(what: &str, found: &Tensor, expected: &Tensor, tolerance: f64) {
    let rows = |tensor: &Tensor| tensor.to_kind(Kind::Double).reshape([expected.size()[0], -1]);
    let (found, expected) = (rows(found), rows(expected));
    let off = (&found - &expected).abs().amax([1_i64].as_slice(), false);
    let worst = (off / expected.abs().amax([1_i64].as_slice(), false)).max().double_value(&[]);
    assert!(worst <= tolerance, "{what}: {worst:.2e} is above {tolerance:.0e}");
}

#[test]
fn densities_and_scores_are_exact() {
    let expected = tensors("toy/toy-score.safetensors").tensors;
    let (log_density, score) =
        toy::ground_truth(toy::Classes::A).evaluate(&expected["x"], &expected["sigma"]);
    check_rows("logp", &log_density, &expected["logp"], 1e-5);
    check_rows("score", &score, &expected["score"], 1e-5);
}

#[test]
fn a_net_of_the_2d_example_gives_the_authors_scores() {
    tch::set_num_threads(1);
    let expected = tensors("toy/toy-model.safetensors").tensors;
    let model = toy::Model::load(&expected).unwrap();
    let (x, sigma) = (&expected["x"], &expected["sigma"]);
    // A difference of two terms: where they cancel, a row of the float32 fixture is itself 2e-5 off its exact value.
    check("logp", &model.log_density(x, sigma).detach(), &expected["logp"], 1e-6);
    check_rows("score", &model.score(x, sigma), &expected["score"], 1e-5);
}

#[test]
fn recorded_iterations_of_the_2d_example_come_to_the_recorded_weights() {
    tch::set_num_threads(1);
    let name = "toy/toy-train-first.safetensors";
    let (found, expected) = (toy::replay(&fixture(name)).unwrap(), tensors(name));
    compare(&found, &expected, &[("losses", 1e-4), ("lrs", 1e-9), ("final/", 1e-4), ("ema/", 1e-4)]);
    for step in 0..6 {
        let name = format!("step{step}/net_score");
        check(&name, &found.tensors[&name], &expected.tensors[&name], 1e-4);
    }
}
