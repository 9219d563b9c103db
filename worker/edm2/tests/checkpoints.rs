//! Nets at rest: published checkpoints, their conversion, and nets of full size.

#[path = "../../../tests/src/published/mod.rs"]
#[allow(dead_code, unused_imports)]
mod published;

use std::path::{Path, PathBuf};

use fidelis_edm2::checkpoint::{Checkpoint, TensorFile};
use fidelis_edm2::net::{NetConfig, Params, Precision, Precond, multiply_adds, num_params};
use fidelis_formats::{Array, Dtype, StateDict, net};
use published::{Py, dict, rgb_encoder};
use tch::{Device, Kind, Tensor};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures").join(name)
}

/// One thread for a test: torch's own would spin against those of the tests beside it.
fn quiet() -> tch::NoGradGuard {
    tch::set_num_threads(1);
    tch::no_grad_guard()
}

#[test]
fn a_published_net_denoises_as_its_safetensors_does() {
    let _guard = quiet();
    let golden = TensorFile::read(&fixture("forward-uncond.safetensors")).unwrap().tensors;
    let (folder, published) = (tempfile::tempdir().unwrap(), fixture("edm2-uncond.pkl"));
    let stored = folder.path().join("net.safetensors");
    std::fs::write(&stored, net::read(&published).unwrap().to_safetensors().unwrap()).unwrap();
    for path in [published, stored] {
        let Checkpoint { config, state } = Checkpoint::read(&path).unwrap();
        let net = Precond::load(state, &config, Device::Cpu, Precision::Fp32).unwrap();
        let found = net.denoise(&golden["x"], &golden["sigma"], None);
        let scale = golden["D"].abs().max().double_value(&[]);
        let difference = (found - &golden["D"]).abs().max().double_value(&[]) / scale;
        assert!(difference <= 2e-5, "{}: {difference:.2e}", path.display());
    }
}

fn config(model_channels: i64, img_channels: i64, label_dim: i64) -> NetConfig {
    let json = serde_json::json!({
        "img_resolution": 64, "img_channels": img_channels, "label_dim": label_dim, "model_channels": model_channels
    });
    serde_json::from_value(json).unwrap()
}

/// The published sizes, in the precision in which they are published.
#[test]
fn parameters_are_as_many_as_published() {
    for (model_channels, millions) in [(128, 124.7), (192, 280.2)] {
        let count = num_params(&config(model_channels, 4, 1000)).unwrap() as f64 / 1e6;
        assert_eq!((count * 10.0).round() / 10.0, millions, "{model_channels}");
    }
    for (model_channels, millions) in [(256, 498.0), (320, 777.0)] {
        let count = num_params(&config(model_channels, 4, 1000)).unwrap() as f64 / 1e6;
        assert_eq!(count.round(), millions, "{model_channels}");
    }
    for (model_channels, billions) in [(384, 1.1), (448, 1.5)] {
        let count = num_params(&config(model_channels, 4, 1000)).unwrap() as f64 / 1e9;
        assert_eq!((count * 10.0).round() / 10.0, billions, "{model_channels}");
    }
}

/// By a count of its own over the layers as EDM2's figure 21 draws them.
#[test]
fn multiply_adds_are_those_of_the_layers() {
    for (model_channels, expected) in [
        (64, 11_345_029_120),
        (128, 44_951_261_184),
        (192, 100_818_696_192),
        (256, 178_947_334_144),
        (320, 279_337_175_040),
        (384, 401_988_218_880),
        (448, 546_900_465_664),
    ] {
        assert_eq!(multiply_adds(&config(model_channels, 4, 1000)).unwrap(), expected, "{model_channels}");
    }
    // A net of one level and one block, by hand: 4x4 pixels, 2 channels in, 8 inside, one head in the middle.
    let json = serde_json::json!({
        "img_resolution": 4, "img_channels": 2, "label_dim": 5, "model_channels": 8, "channel_mult": [1],
        "num_blocks": 1, "attn_resolutions": [], "channels_per_head": 8
    });
    let config: NetConfig = serde_json::from_value(json).unwrap();
    let embedding = 8 * 8 + 5 * 8;
    let (conv_in, conv_out) = (3 * 8 * 9 * 16, 8 * 2 * 9 * 16);
    // Two 3x3 convolutions and the embedding's gain; in the decoder's last two, which take a skip, 16 channels come in.
    let plain = 2 * 8 * 8 * 9 * 16 + 8 * 8;
    let attention = 4 * 8 * 8 * 16 + 2 * 8 * 16 * 16;
    let skipped = (16 * 8 * 9 + 8 * 8 * 9 + 16 * 8) * 16 + 8 * 8;
    let expected = embedding + conv_in + plain + (plain + attention) + plain + 2 * skipped + conv_out;
    assert_eq!(multiply_adds(&config).unwrap(), expected);
}

/// Counted by hand from the layers' shapes: XXS has no published figure, pixels have one channel less in and out, and
/// an unconditional net lacks the embedding of the classes.
#[test]
fn parameters_of_the_other_variants_follow() {
    let count = |model_channels, img_channels, label_dim| {
        num_params(&config(model_channels, img_channels, label_dim)).unwrap()
    };
    for (model_channels, conditional) in [
        (64, 31_309_029),
        (128, 124_713_253),
        (192, 280_212_837),
        (256, 497_807_781),
        (320, 777_498_085),
        (384, 1_119_283_749),
        (448, 1_523_164_773),
    ] {
        assert_eq!(count(model_channels, 4, 1000), conditional);
        let width = model_channels as u64;
        assert_eq!(count(model_channels, 4, 0), conditional - 1000 * 4 * width);
        assert_eq!(count(model_channels, 3, 1000), conditional - 2 * 9 * width);
        assert_eq!(count(model_channels, 3, 0), conditional - 2 * 9 * width - 1000 * 4 * width);
    }
    assert!(num_params(&NetConfig { num_blocks: 0, ..config(64, 4, 0) }).is_err());
}

fn half(tensor: &Tensor) -> Array {
    let tensor = tensor.to_kind(Kind::Half);
    let mut bytes = vec![0; tensor.numel() * 2];
    tensor.copy_data_u8(&mut bytes, tensor.numel());
    let shape = tensor.size().iter().map(|&n| n as usize).collect();
    Array { dtype: Dtype::F16, shape, bytes: bytes.into() }
}

/// A net of random weights, and the file that it is published in.
fn write_published(config: &NetConfig, path: &Path) -> StateDict {
    tch::manual_seed(7);
    let mut params = Params::fresh(Device::Cpu);
    drop(Precond::new(&mut params, config, Device::Cpu).unwrap());
    // Gains start at zero, and a net without gain shows nothing of its weights.
    let acting = |name: &str, tensor: &Tensor| {
        if name.ends_with("_gain") { tensor + 1.0 } else { tensor.shallow_clone() }
    };
    let stored = |(name, tensor): (&String, &Tensor)| (name.clone(), half(&acting(name, tensor)));
    let state: StateDict = params.all().iter().map(stored).collect();
    let kwargs = [
        ("img_resolution", config.img_resolution),
        ("img_channels", config.img_channels),
        ("label_dim", config.label_dim),
        ("model_channels", config.model_channels),
    ];
    let kwargs = dict(kwargs.map(|(name, value)| (name, Py::Int(value))));
    std::fs::write(path, published::net(kwargs, &state, rgb_encoder())).unwrap();
    state
}

#[test]
fn a_net_of_full_size_is_read_converted_and_evaluated() {
    let _guard = quiet();
    let folder = tempfile::tempdir().unwrap();
    let (pkl, converted) = (folder.path().join("xs.pkl"), folder.path().join("xs.safetensors"));
    let config = config(128, 4, 1000);
    let written = write_published(&config, &pkl);
    let published = net::read(&pkl).unwrap();
    assert_eq!(published.tensors, written);
    assert_eq!(written.values().map(Array::num_elements).sum::<usize>(), 124_713_253 + 2 * (128 + 128));
    std::fs::write(&converted, published.to_safetensors().unwrap()).unwrap();
    assert_eq!(net::read(&converted).unwrap().tensors, written, "every bit of every tensor");
    drop((published, written));

    let x = Tensor::randn([1, 4, 64, 64], (Kind::Float, Device::Cpu)) * 3.0;
    let (sigma, label) = (Tensor::from_slice(&[3.0_f32]), Tensor::from_slice(&[207_i64]));
    let denoised = |path: &Path| {
        let Checkpoint { config, state } = Checkpoint::read(path).unwrap();
        assert_eq!(config.encoder, Some(fidelis_edm2::encoder::Encoder::Rgb));
        let net = Precond::load(state, &config, Device::Cpu, Precision::Fp32).unwrap();
        (net.denoise(&x, &sigma, Some(&label)), net.logvar(&sigma))
    };
    let ((d, logvar), again) = (denoised(&pkl), denoised(&converted));
    assert_eq!(d.size(), [1, 4, 64, 64]);
    assert!(bool::try_from(d.isfinite().all()).unwrap());
    assert_eq!((&d, &logvar), (&again.0, &again.1));
    // What the U-Net itself gave: random weights keep the magnitude of their input, which is 1.
    let (c_skip, c_out) = (0.25 / (9.0 + 0.25), 3.0 * 0.5 / (9.0_f64 + 0.25).sqrt());
    let output = (d - &x * c_skip) / c_out;
    let magnitude = output.square().mean(Kind::Float).sqrt().double_value(&[]);
    assert!((0.5..2.0).contains(&magnitude), "{magnitude}");
}
