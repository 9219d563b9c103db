//! Weights of the published detectors' shape that anybody can make again: each tensor is drawn from torch's CPU
//! generator, seeded with the CRC-32 of its name. They stand in for the published weights wherever two implementations
//! are compared.

use std::collections::BTreeMap;

use fidelis_edm2::detector::{DinoV2, Inception};
use fidelis_edm2::noise::with_seed;
use tch::{Device, Kind, Tensor};

const OPTIONS: (Kind, Device) = (Kind::Float, Device::Cpu);

/// The state dict of a detector, by its name.
pub fn weights(detector: &str) -> Option<BTreeMap<String, Tensor>> {
    match detector {
        "inception" => Some(made(Inception::layout(), inception)),
        "dinov2" => {
            let mut layout = DinoV2::layout();
            // In the published file, and of no use to the features.
            layout.push(("mask_token".to_owned(), vec![1, 1024]));
            Some(made(layout, dinov2))
        }
        _ => None,
    }
}

fn made(layout: Vec<(String, Vec<i64>)>, rule: fn(&str, &[i64]) -> Tensor) -> BTreeMap<String, Tensor> {
    let seeded = |(name, shape): (String, Vec<i64>)| {
        let tensor = with_seed(crc32fast::hash(name.as_bytes()).into(), || rule(&name, &shape));
        (name, tensor)
    };
    layout.into_iter().map(seeded).collect()
}

fn inception(name: &str, shape: &[i64]) -> Tensor {
    let ends = |suffixes: &[&str]| suffixes.iter().any(|suffix| name.ends_with(suffix));
    if ends(&["running_var", "bn.weight"]) {
        Tensor::rand(shape, OPTIONS) + 0.5
    } else if ends(&["running_mean", ".bias"]) {
        Tensor::randn(shape, OPTIONS) * 0.1
    } else {
        Tensor::randn(shape, OPTIONS) * (2.0 / elements_of_one(shape)).sqrt()
    }
}

fn dinov2(name: &str, shape: &[i64]) -> Tensor {
    if name.ends_with(".gamma") {
        Tensor::rand(shape, OPTIONS) * 0.05 + 0.1
    } else if name.contains("norm") && name.ends_with(".weight") {
        Tensor::rand(shape, OPTIONS) + 0.5
    } else if ["cls_token", "pos_embed", "mask_token"].contains(&name) || name.ends_with(".bias") {
        Tensor::randn(shape, OPTIONS) * 0.1
    } else {
        Tensor::randn(shape, OPTIONS) * (1.0 / elements_of_one(shape)).sqrt()
    }
}

/// Elements of one output filter or row.
fn elements_of_one(shape: &[i64]) -> f64 {
    shape[1..].iter().product::<i64>() as f64
}
