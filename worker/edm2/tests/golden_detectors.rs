//! Inception and DINOv2 under recipe weights against an independent implementation (tests/fixtures), preprocessing
//! included, to 1e-4 of the largest magnitude.

mod common;
#[path = "../examples/recipe-weights/recipe.rs"]
mod recipe;

use common::{check, quiet, tensors};
use fidelis_edm2::detector::{Detector, DinoV2, Inception, Preprocessing};
use tch::{Device, Tensor};

fn inception() -> Inception {
    Inception::new(recipe::weights("inception").unwrap(), Device::Cpu).unwrap()
}

#[test]
fn inception_in_both_modes() {
    let _guard = quiet();
    let weights = recipe::weights("inception").unwrap();
    assert_eq!(weights.len(), 472);
    let (net, golden) = (inception(), tensors("inception-golden.safetensors").tensors);
    for (mode, key) in [(Preprocessing::Tf1, "tf1"), (Preprocessing::PytorchFid, "pytorch_fid")] {
        let detector = Detector::Inception(Box::new(net.clone()), mode);
        for set in ["a", "b"] {
            let features = detector.features(&golden[&format!("{set}.image")]).unwrap();
            check(&format!("inception {set}.{key}"), &features, &golden[&format!("{set}.{key}")], 1e-4);
        }
    }
    for set in ["a", "b"] {
        let key = format!("{set}.logits_unbiased");
        let logits = net.logits_unbiased(&golden[&format!("{set}.tf1")]);
        check(&format!("inception {key}"), &logits, &golden[&key], 1e-4);
    }
}

#[test]
fn dinov2() {
    let _guard = quiet();
    tch::set_num_threads(2);
    let weights = recipe::weights("dinov2").unwrap();
    let parameters: usize = weights.values().map(Tensor::numel).sum();
    assert_eq!((weights.len(), parameters), (343, 304_368_640));
    let net = DinoV2::new(weights, Device::Cpu).unwrap();
    let (detector, golden) = (Detector::DinoV2(Box::new(net)), tensors("dinov2-golden.safetensors").tensors);
    for set in ["a", "b"] {
        let features = detector.features(&golden[&format!("{set}.image")]).unwrap();
        check(&format!("dinov2 {set}.features"), &features, &golden[&format!("{set}.features")], 1e-4);
    }
}
