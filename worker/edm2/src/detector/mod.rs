//! From uint8 images to the features that distances are computed from.

mod dinov2;
mod error;
mod fashion_cnn;
mod inception;
mod state;
mod torch_script;

use std::path::Path;

use fidelis_contract::detectors::{DINOV2, FASHION_CNN, INCEPTION, PYTORCH_FID};
use tch::{Device, Tensor};

use crate::layers::in_parts;
use crate::net::StateDict;
pub use dinov2::DinoV2;
pub use error::DetectorError;
pub use fashion_cnn::FashionCnn;
pub use inception::{Inception, Preprocessing};
pub use torch_script::TorchScript;

/// Images that a GPU takes at once.
const GPU_BATCH: i64 = 32;

/// A feature extractor on one device, in float32. Clones share the weights.
///
/// On a CPU the nets of `dinov2` and TorchScript see one image at a time, and Inception computes every value as one sum in
/// one order, so that an image's features depend on nothing but its pixels.
#[derive(Clone, Debug)]
pub enum Detector {
    FashionCnn(FashionCnn),
    Inception(Box<Inception>, Preprocessing),
    DinoV2(Box<DinoV2>),
    TorchScript(TorchScript),
}

impl Detector {
    /// Loads the detector `name` with the weights in `path`. A name that is not in [the table](fidelis_contract::detectors) asks for the
    /// TorchScript file `path` (`.pt`), whose code torch's interpreter then runs.
    pub fn load(name: &str, path: &Path, device: Device) -> Result<Self, DetectorError> {
        let unfit = |problem: String| DetectorError::Weights {
            path: path.to_owned(),
            detector: name.to_owned(),
            problem,
        };
        match name {
            FASHION_CNN => {
                FashionCnn::load(&state::read(path, name)?, device).map(Self::FashionCnn).map_err(unfit)
            }
            INCEPTION => inception(state::read(path, name)?, device, Preprocessing::Tf1).map_err(unfit),
            PYTORCH_FID => {
                inception(state::read(path, name)?, device, Preprocessing::PytorchFid).map_err(unfit)
            }
            DINOV2 => DinoV2::new(state::read(path, name)?, device)
                .map(|net| Self::DinoV2(Box::new(net)))
                .map_err(|error| unfit(error.to_string())),
            _ if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("pt")) => {
                TorchScript::load(path, device).map(Self::TorchScript)
            }
            _ => Err(DetectorError::Unknown(name.to_owned())),
        }
    }

    /// uint8 `[N, C, H, W]` to float32 `[N, D]`. A grey image counts as three equal channels where the net wants
    /// colour; any size goes, except for `fashion-cnn`.
    pub fn features(&self, images: &Tensor) -> Result<Tensor, DetectorError> {
        let _guard = tch::no_grad_guard();
        match self {
            Self::FashionCnn(cnn) => cnn.features(images),
            Self::Inception(net, preprocessing) => {
                let prepare = |x: &Tensor| -> Result<Tensor, DetectorError> {
                    let x = inception::three_channels(x, net.device());
                    Ok(preprocessing.apply(&x.ok_or_else(|| not_images(INCEPTION, images))?))
                };
                let mut features = Vec::new();
                for part in images.split(net.at_once(), 0) {
                    features.push(net.forward(&in_parts(&part, net.device(), GPU_BATCH, prepare)?));
                }
                Ok(Tensor::cat(&features, 0))
            }
            Self::DinoV2(net) => in_parts(images, net.device(), GPU_BATCH, |x| {
                let x = net.preprocess(x).ok_or_else(|| not_images(DINOV2, images))?;
                Ok(net.forward(&x))
            }),
            Self::TorchScript(script) => in_parts(images, script.device(), GPU_BATCH, |x| script.features(x)),
        }
    }
}

fn inception(state: StateDict, device: Device, preprocessing: Preprocessing) -> Result<Detector, String> {
    if let Some(name) = state.keys().find(|name| name.starts_with("AuxLogits.")) {
        return Err(format!(
            "it has `{name}`, so it is torchvision's Inception v3, which is another net than the FID detector"
        ));
    }
    let net = Inception::new(state, device).map_err(|error| error.to_string())?;
    Ok(Detector::Inception(Box::new(net), preprocessing))
}

fn not_images(detector: &'static str, found: &Tensor) -> DetectorError {
    DetectorError::Images { detector, expected: "uint8 [N, 1 or 3, H, W]", found: found.size() }
}
