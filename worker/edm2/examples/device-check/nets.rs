//! Random nets of the published sizes, made on the spot: nothing large travels.

use std::path::{Path, PathBuf};

use fidelis_contract::spec::FileRef;
use fidelis_edm2::checkpoint::Checkpoint;
use fidelis_edm2::net::{NetConfig, Params, Precision, Precond, StateDict};
use fidelis_edm2::noise::with_seed;
use serde_json::json;
use tch::{Device, Kind};

use crate::clock::timed;
use crate::report::Report;
use crate::setting::Setting;

/// A net by its size's name.
#[derive(Debug)]
pub struct Random {
    pub name: &'static str,
    pub config: NetConfig,
    /// Weights in float16, as published.
    pub state: StateDict,
}

/// Channels of the first level.
const SIZES: [(&str, i64); 3] = [("XXS", 64), ("XS", 128), ("S", 192)];
const TINY: i64 = 8;

impl Random {
    /// A conditional net on 64×64 images of `img_channels`; where all is tiny, 16×16, an eighth as wide and a third as deep.
    pub fn new(name: &'static str, img_channels: i64, is_tiny: bool) -> Self {
        let (_, width) = SIZES.into_iter().find(|(known, _)| *known == name).expect("a size that is listed");
        let (side, width, blocks, classes) =
            if is_tiny { (16, width / TINY, 1, 10) } else { (64, width, 3, 1000) };
        let config: NetConfig = serde_json::from_value(json!({
            "img_resolution": side, "img_channels": img_channels, "label_dim": classes, "model_channels": width, "num_blocks": blocks,
            "encoder": "rgb",
        }))
        .expect("a config that is a net's");
        let state = with_seed(7, || {
            let mut params = Params::fresh(Device::Cpu);
            drop(Precond::new(&mut params, &config, Device::Cpu).expect("a published net"));
            // Gains start at zero, and a net without gain does nothing.
            let acting = params.all().iter().map(|(name, tensor)| {
                let tensor = if name.ends_with("_gain") { tensor + 1.0 } else { tensor.shallow_clone() };
                (name.clone(), tensor.detach().to_kind(Kind::Half))
            });
            acting.collect()
        });
        Self { name, config, state }
    }

    pub fn load(&self, device: Device, precision: Precision) -> Precond {
        let state = self.state.iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone())).collect();
        Precond::load(state, &self.config, device, precision).expect("a net of our own")
    }

    pub fn write(self, path: &Path) {
        let Self { config, state, .. } = self;
        Checkpoint { config, state }.write(path).unwrap_or_else(|error| panic!("{error}"));
    }

    /// Floating-point operations of one image's evaluation: two for each weight and position, and attention's products.
    pub fn operations(&self) -> f64 {
        let of = |(name, tensor): (&String, &tch::Tensor)| {
            let side = side_of(name).unwrap_or(self.config.img_resolution) as f64;
            match tensor.size()[..] {
                [out, _, _, _] => {
                    let products = 2.0 * tensor.numel() as f64 * side.powi(2);
                    // q·k and w·v: each channel of the three meets every pair of positions twice.
                    let attention = if name.ends_with("attn_qkv.weight") {
                        4.0 * (out / 3) as f64 * side.powi(4)
                    } else {
                        0.0
                    };
                    products + attention
                }
                [_, _] => 2.0 * tensor.numel() as f64,
                _ => 0.0,
            }
        };
        self.state.iter().map(of).sum()
    }
}

/// The side of the images that a layer acts on stands in its name: `unet.enc.32x32_block0.conv_res0.weight`.
fn side_of(name: &str) -> Option<i64> {
    name.split(['.', '_']).find_map(|part| part.split_once('x')?.0.parse().ok())
}

/// Where [`write`] leaves a net.
pub fn path(setting: &Setting, name: &str) -> PathBuf {
    setting.work.join(format!("random-{name}.safetensors"))
}

/// The same as specs name it.
pub fn file(setting: &Setting, name: &str) -> FileRef {
    FileRef::new(path(setting, name).display().to_string())
}

/// Writes all sizes for checks that read files, and for PyTorch.
pub fn write(setting: &Setting, report: &Report) {
    for (name, _) in SIZES {
        let path = path(setting, name);
        let net = Random::new(name, 4, setting.is_tiny());
        let operations = net.operations();
        let (seconds, ()) = timed(Device::Cpu, || net.write(&path));
        report.measured(json!({"what": name, "written": path, "gflop_per_evaluation": operations / 1e9, "seconds": seconds}));
    }
}
