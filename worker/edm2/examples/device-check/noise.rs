//! What a seed decides, beside torch's own generator on the device.

use fidelis_contract::spec::NoiseMode;
use fidelis_edm2::checkpoint::TensorFile;
use fidelis_edm2::noise::{Classes, Draws, Noise, with_seed};
use serde_json::json;
use tch::{Cuda, Device, Kind, Tensor};

use crate::report::Report;
use crate::setting::{Setting, arguments};

const SEEDS: [u64; 5] = [0, 1, 12_345, (1 << 32) - 1, (1 << 32) + 16];
const CHURN_STEPS: usize = 2;

/// The values may differ by the rounding of a card's logarithm and sine, never the classes.
const TOLERANCE: f64 = 2e-6;

pub fn check(setting: &Setting, report: &Report) {
    for shape in [[4, 64, 64], [3, 64, 64]] {
        for label_dim in [1000, 0] {
            compare(report, &draws(setting, shape, label_dim), setting.device);
        }
    }
}

/// Writes draws as a file, for a comparison with PyTorch's generators.
pub fn write(setting: &Setting, _: &Report) {
    let [path] = arguments("draws OUT.safetensors");
    let Noise { noise, labels, churn } = draws(setting, [4, 64, 64], 1000).of(&SEEDS);
    let seeds = Tensor::from_slice(&SEEDS.map(|seed| seed as i64));
    let labels = labels.expect("a net with classes");
    let tensors =
        [("seeds", seeds), ("noise", noise), ("labels", labels), ("churn", Tensor::stack(&churn, 1))];
    let tensors = tensors.into_iter().map(|(name, tensor)| (name.to_owned(), tensor)).collect();
    let file = TensorFile { tensors, ..TensorFile::default() };
    file.write(path.as_ref()).unwrap_or_else(|error| panic!("{error}"));
}

/// In the mode that claims to be the device's own generator.
fn draws(setting: &Setting, shape: [i64; 3], label_dim: i64) -> Draws {
    let stream = if setting.device == Device::Cpu { NoiseMode::Cpu } else { NoiseMode::Cuda };
    Draws { stream, shape, label_dim, classes: Classes::Drawn, churn_steps: CHURN_STEPS }
}

fn compare(report: &Report, draws: &Draws, device: Device) {
    let ours = draws.of(&SEEDS);
    let theirs: Vec<_> = SEEDS.iter().map(|&seed| drawn(draws, seed, device)).collect();
    let normals =
        |k: usize| Tensor::stack(&theirs.iter().map(|(n, _)| n[k].shallow_clone()).collect::<Vec<_>>(), 0);
    let row = |what: &str, found: &Tensor, expected: &Tensor| {
        let off = (found - expected).abs();
        let largest = off.max().double_value(&[]);
        let differing = off.count_nonzero(None::<i64>).int64_value(&[]);
        report.holds(
            largest <= TOLERANCE,
            json!({"what": what, "stream": format!("{:?}", draws.stream), "shape": draws.shape,
                "label_dim": draws.label_dim, "bit_equal": differing == 0, "values_that_differ": differing,
                "values": off.numel(), "largest": largest}),
        );
    };
    let Noise { noise, labels, churn } = ours;
    row("noise", &noise, &normals(0));
    churn.iter().enumerate().for_each(|(k, churn)| row(&format!("churn draw {k}"), churn, &normals(k + 1)));
    if let Some(labels) = labels {
        let labels: Vec<i64> = labels.try_into().expect("classes are int64");
        let drawn: Vec<i64> = theirs.iter().filter_map(|(_, label)| *label).collect();
        report.holds(labels == drawn, json!({"what": "classes", "ours": labels, "torch": drawn}));
    }
}

/// The draws of a seed as the authors' tool makes them, by libtorch on the device: all normal values, and the class.
fn drawn(draws: &Draws, seed: u64, device: Device) -> (Vec<Tensor>, Option<i64>) {
    let draw = || {
        let normal = || Tensor::randn(draws.shape, (Kind::Float, device));
        let mut normals = vec![normal()];
        let class = || Tensor::randint(draws.label_dim, [1], (Kind::Int64, device)).int64_value(&[0]);
        let label = (draws.label_dim > 0).then(class);
        normals.extend((0..draws.churn_steps).map(|_| normal()));
        (normals.into_iter().map(|tensor| tensor.to_device(Device::Cpu)).collect(), label)
    };
    with_seed(seed, || {
        if device.is_cuda() {
            Cuda::manual_seed_all(seed & 0xffff_ffff);
        }
        draw()
    })
}
