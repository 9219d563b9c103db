//! The demo's detector: a small convolutional classifier of Fashion-MNIST, trained by this project.
//!
//! Its features are the 128 inputs of the last layer, before the rectifier. Distances between them are called FD,
//! never FID.

use fidelis_contract::detectors::FASHION_CNN;
use tch::{Device, Kind, Tensor};

use super::DetectorError;
use crate::layers::conv2d;
use crate::net::StateDict;
use crate::params::Shared;

/// Names and shapes of the weights; each layer has a bias of its first dimension.
const LAYERS: [(&str, &[i64]); 6] = [
    ("conv1", &[32, 1, 3, 3]),
    ("conv2", &[32, 32, 3, 3]),
    ("conv3", &[64, 32, 3, 3]),
    ("conv4", &[64, 64, 3, 3]),
    ("embed", &[FashionCnn::NUM_FEATURES, 64 * 7 * 7]),
    ("head", &[10, FashionCnn::NUM_FEATURES]),
];

/// Weights and biases, in the order of `LAYERS`. Clones share them.
#[derive(Clone, Debug)]
pub struct FashionCnn(Vec<(Shared, Shared)>);

impl FashionCnn {
    pub const NUM_FEATURES: i64 = 128;

    /// Takes its weights from `state`, in float32 on `device`.
    pub(crate) fn load(state: &StateDict, device: Device) -> Result<Self, String> {
        let tensor = |name: String, shape: &[i64]| match state.get(&name) {
            None => Err(format!("no tensor `{name}`")),
            Some(t) if t.size() != shape => {
                Err(format!("`{name}` has shape {:?}, expected {shape:?}", t.size()))
            }
            Some(t) => Ok(Shared::from(t.to_device(device).to_kind(Kind::Float))),
        };
        let layer = |&(name, shape): &(&str, &[i64])| {
            Ok((tensor(format!("{name}.weight"), shape)?, tensor(format!("{name}.bias"), &shape[..1])?))
        };
        LAYERS.iter().map(layer).collect::<Result<_, String>>().map(Self)
    }

    /// Fresh weights from torch's current CPU generator: He-normal, with zero biases.
    pub fn initial_state() -> StateDict {
        let mut state = StateDict::new();
        for (name, shape) in LAYERS {
            let fan_in: i64 = shape[1..].iter().product();
            let weight = Tensor::randn(shape, (Kind::Float, Device::Cpu)) * (2.0 / fan_in as f64).sqrt();
            state.insert(format!("{name}.weight"), weight);
            state.insert(format!("{name}.bias"), Tensor::zeros([shape[0]], (Kind::Float, Device::Cpu)));
        }
        state
    }

    /// uint8 `[N, 1, 28, 28]` to float32 `[N, 128]`. Three equal channels count as one: grey images come so from formats
    /// that have no grey.
    pub fn features(&self, images: &Tensor) -> Result<Tensor, DetectorError> {
        match images.size()[..] {
            [_, 1, 28, 28] if images.kind() == Kind::Uint8 => Ok(self.embed(images)),
            [_, 3, 28, 28] if images.kind() == Kind::Uint8 && is_grey(images) => {
                Ok(self.embed(&images.narrow(1, 0, 1)))
            }
            _ => Err(DetectorError::Images {
                detector: FASHION_CNN,
                expected: "uint8 [N, 1, 28, 28]",
                found: images.size(),
            }),
        }
    }

    /// Class scores `[N, 10]` from [`Self::features`].
    pub fn logits(&self, features: &Tensor) -> Tensor {
        self.linear(5, &features.relu())
    }

    fn embed(&self, images: &Tensor) -> Tensor {
        let device = self.0[0].0.device();
        let x = images.to_device(device).to_kind(Kind::Float) / 127.5 - 1.0;
        let x = self.conv(1, &self.conv(0, &x)).max_pool2d_default(2);
        let x = self.conv(3, &self.conv(2, &x)).max_pool2d_default(2);
        self.linear(4, &x.flatten(1, -1))
    }

    fn conv(&self, layer: usize, x: &Tensor) -> Tensor {
        let (weight, bias) = &self.0[layer];
        conv2d(x, weight, Some(&**bias), (1, [1, 1])).relu()
    }

    fn linear(&self, layer: usize, x: &Tensor) -> Tensor {
        let (weight, bias) = &self.0[layer];
        x.linear(weight, Some(&**bias))
    }
}

fn is_grey(images: &Tensor) -> bool {
    images.narrow(1, 0, 1).expand_as(images).equal(images)
}
