//! Agreement with an independent implementation (tests/fixtures), within the tolerances that its author gives:
//! forward 2e-6, whole sampling runs 1e-5 of the largest magnitude, noise and labels exactly.

#![allow(clippy::disallowed_macros, reason = "the words of a test")]

mod common;

use common::agreement::{Agreement, agree};
use common::golden::nets::NETS;
use common::place::Place;
use common::{fixture, golden, quiet, tensors};
use fidelis_contract::spec::NoiseMode;
use fidelis_edm2::checkpoint::Checkpoint;
use fidelis_edm2::net::{Precision, Precond};
use fidelis_edm2::noise::{Classes, Draws};
use tch::Kind;

#[test]
fn forward() {
    let _guard = quiet();
    agree(&golden::nets::forward(Place::of_test(), &NETS));
}

/// float16 is libtorch's and lies channels-last; bf16 keeps the weights at half their size on a CPU.
#[test]
fn forward_in_half_precision() {
    let _guard = quiet();
    for precision in [Precision::Fp16, Precision::Bf16] {
        agree(&golden::nets::forward(Place { precision, ..Place::of_test() }, &NETS));
    }
}

/// What is between the two is the rounding of the gains: float32 gains of the same values have none.
#[test]
fn gains_act_in_the_type_in_which_they_are_stored() {
    let _guard = quiet();
    let place = Place::of_test();
    let golden = tensors("forward-main.safetensors").tensors;
    let Checkpoint { config, mut state } = Checkpoint::read(&fixture("edm2-main.pkl")).unwrap();
    for (_, gain) in state.iter_mut().filter(|(name, _)| name.ends_with("_gain")) {
        assert_eq!(gain.kind(), Kind::Half);
        *gain = gain.to_kind(Kind::Float);
    }
    let single = Precond::load(state, &config, place.device, place.precision).unwrap();
    let [x, sigma, label] = ["x", "sigma", "label"].map(|key| place.take(&golden[key]));
    let found = single.denoise(&x, &sigma, Some(&label));
    let Agreement { off, .. } = Agreement::of("with float32 gains", &found, &golden["D"], 1e-3);
    println!("with float32 gains: {off:.2e}");
    assert!((1e-5..1e-3).contains(&off), "{off:.2e}");
}

#[test]
fn sample() {
    let _guard = quiet();
    agree(&golden::sampling::cases(Place::of_test(), &NETS));
}

/// Seeds beyond 2³² among them: they count modulo that.
#[test]
fn sample_of_a_published_layout() {
    let _guard = quiet();
    agree(&golden::sampling::published(Place::of_test()));
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
