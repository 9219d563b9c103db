//! Inception and DINOv2 under recipe weights, preprocessing included.

#[path = "../../../examples/recipe-weights/recipe.rs"]
pub mod recipe;

use fidelis_edm2::detector::{Detector, DinoV2, Inception, Preprocessing};
use tch::Tensor;

use super::super::agreement::Agreement;
use super::super::place::{Place, Subject};
use super::super::tensors;

pub fn inception(place: Place) -> Vec<Agreement> {
    let weights = recipe::weights("inception").unwrap();
    assert_eq!(weights.len(), 472);
    let net = Inception::new(weights, place.device).unwrap();
    let golden = tensors("inception-golden.safetensors").tensors;
    let close = place.tolerance(Subject::Detector);
    let mut all = Vec::new();
    for (mode, key) in [(Preprocessing::Tf1, "tf1"), (Preprocessing::PytorchFid, "pytorch_fid")] {
        let detector = Detector::Inception(Box::new(net.clone()), mode);
        for key in ["a", "b"].map(|set| (format!("{set}.image"), format!("{set}.{key}"))) {
            let features = detector.features(&golden[&key.0]).unwrap();
            all.push(Agreement::of(format!("inception {}", key.1), &features, &golden[&key.1], close));
        }
    }
    for set in ["a", "b"] {
        let key = format!("{set}.logits_unbiased");
        let logits = net.logits_unbiased(&place.take(&golden[&format!("{set}.tf1")]));
        all.push(Agreement::of(format!("inception {key}"), &logits, &golden[&key], close));
    }
    all
}

pub fn dinov2(place: Place) -> Vec<Agreement> {
    let weights = recipe::weights("dinov2").unwrap();
    let parameters: usize = weights.values().map(Tensor::numel).sum();
    assert_eq!((weights.len(), parameters), (343, 304_368_640));
    let detector = Detector::DinoV2(Box::new(DinoV2::new(weights, place.device).unwrap()));
    let golden = tensors("dinov2-golden.safetensors").tensors;
    let of = |set| {
        let (features, key) =
            (detector.features(&golden[&format!("{set}.image")]).unwrap(), format!("{set}.features"));
        Agreement::of(format!("dinov2 {key}"), &features, &golden[&key], place.tolerance(Subject::Detector))
    };
    ["a", "b"].map(of).into()
}
