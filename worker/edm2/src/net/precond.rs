//! Preconditioning and uncertainty around the U-Net (EDM, arXiv 2206.00364, table 1; EDM2, section 3).

use std::sync::Arc;

use fidelis_contract::spec::Precision;
use fidelis_formats::net::{ConfigError, NetConfig};
use tch::{Device, Kind, Tensor};

use super::mp_conv::{MpConv, MpFourier};
use super::plain::PlainUNet;
use super::unet::{Given, UNet};
use crate::device;
use crate::kernels::Storage;
use crate::params::{Params, ParamsError, StateDict};

/// Why a net could not be built.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Params(#[from] ParamsError),
}

/// How many parameters the net of a config has: all that training changes, the weight of the uncertainty and the gains
/// among it, without the buffers (frequencies and phases of the Fourier features). Allocates no weights.
///
/// # Errors
/// A config that describes no net.
pub fn num_params(config: &NetConfig) -> Result<u64, NetError> {
    let mut params = Params::blank();
    Precond::new(&mut params, config, Device::Cpu)?;
    Ok(params.trained().values().map(|tensor| tensor.numel() as u64).sum())
}

/// Multiply-adds that one evaluation of a config's net takes for one image, as the field counts its "FLOPs": those of the
/// convolutions, the linear layers of the embedding and the products of attention. What takes a few operations for each
/// value (activations, norms, resampling, preconditioning) is left out, and so is the uncertainty, which sampling never
/// asks for. Allocates no weights.
///
/// # Errors
/// A config that describes no net.
pub fn multiply_adds(config: &NetConfig) -> Result<u64, NetError> {
    config.check()?;
    let unet = UNet::new(&mut Params::blank().root().pp("unet"), config)?;
    Ok(unet.multiply_adds(config.img_resolution as u64))
}

/// The type that torch has for it.
pub(crate) fn kind_of(precision: Precision) -> Kind {
    match precision {
        Precision::Fp32 => Kind::Float,
        Precision::Bf16 => Kind::BFloat16,
        Precision::Fp16 => Kind::Half,
    }
}

/// The denoiser D(x; σ). Clones share the weights.
#[derive(Clone, Debug)]
pub struct Precond {
    config: NetConfig,
    kind: Kind,
    device: Device,
    trunk: Trunk,
    logvar_fourier: MpFourier,
    logvar_linear: MpConv,
}

/// Who computes the U-Net.
#[derive(Clone, Debug)]
enum Trunk {
    Torch(UNet),
    /// Inference on a CPU in float32, or with weights in bfloat16.
    Plain(Arc<PlainUNet>),
}

impl Precond {
    /// Builds the net from the tensors that `params` hands out, for training, as it stands in float32.
    pub fn new(params: &mut Params, config: &NetConfig, device: Device) -> Result<Self, NetError> {
        config.check()?;
        let mut at = params.root();
        let unet = UNet::new(&mut at.pp("unet"), config)?;
        let logvar_fourier = MpFourier::new(&mut at.pp("logvar_fourier"), config.logvar_channels)?;
        let logvar_linear = MpConv::new(&mut at.pp("logvar_linear"), &[1, config.logvar_channels])?;
        params.finish()?;
        let trunk = Trunk::Torch(unet);
        Ok(Self { config: config.clone(), kind: Kind::Float, device, trunk, logvar_fourier, logvar_linear })
    }

    /// Loads a net for inference: weights are normalised once, in float32, and kept in `precision`.
    ///
    /// # Errors
    /// A config that describes no net; a tensor that is missing, unknown, misshapen or not finite.
    pub fn load(
        state: StateDict,
        config: &NetConfig,
        device: Device,
        precision: Precision,
    ) -> Result<Self, NetError> {
        let _guard = tch::no_grad_guard();
        let mut net = Self::new(&mut Params::taken(state, device), config, device)?;
        net.kind = kind_of(precision);
        net.logvar_linear.freeze(Kind::Float);
        if let Trunk::Torch(mut unet) = net.trunk {
            net.trunk = match storage(device, precision).filter(|_| PlainUNet::knows(&unet)) {
                Some(storage) => {
                    net.kind = Kind::Float;
                    Trunk::Plain(PlainUNet::new(unet, (config.img_resolution as usize, storage)).into())
                }
                None => {
                    unet.freeze(net.kind);
                    Trunk::Torch(unet)
                }
            };
        }
        Ok(net)
    }

    /// The same for training with forward and backward pass in `precision`; the weights stay in float32 and are cast where
    /// they act.
    pub(crate) fn in_precision(self, precision: Precision) -> Self {
        Self { kind: kind_of(precision), ..self }
    }

    pub fn config(&self) -> &NetConfig {
        &self.config
    }

    pub fn device(&self) -> Device {
        self.device
    }

    /// D(x; σ): `x` `[N, C, H, W]` float32, `sigma` `[N]` float32 > 0, `labels` `[N]` int64 class indices
    /// (ignored by an unconditional net; none is the zero vector) to `[N, C, H, W]` float32. A net in training
    /// applies its dropout.
    pub fn denoise(&self, x: &Tensor, sigma: &Tensor, labels: Option<&Tensor>) -> Tensor {
        self.denoise_given(x, sigma, Given { labels, dropout: None })
    }

    /// The same of a net that may be damaged.
    pub(crate) fn denoise_given(&self, x: &Tensor, sigma: &Tensor, given: Given) -> Tensor {
        let sigma_data = self.config.sigma_data;
        let sigma = sigma.reshape([-1, 1, 1, 1]);
        let total: Tensor = sigma.square() + sigma_data * sigma_data;
        let c_skip = (sigma_data * sigma_data) / &total;
        let c_out = &sigma * sigma_data / total.sqrt();
        let c_in = total.rsqrt();
        let input = (c_in * x).to_kind(self.kind);
        let levels = sigma.flatten(0, -1);
        let out = match &self.trunk {
            Trunk::Torch(unet) => unet.forward(&input, &c_noise(&levels), given),
            Trunk::Plain(unet) => unet.forward(&input, &levels, given),
        };
        c_skip * x + c_out * out.to_kind(Kind::Float)
    }

    /// Uncertainty u(σ), the logarithm of the variance of the loss: `[N]` to `[N]`.
    pub fn logvar(&self, sigma: &Tensor) -> Tensor {
        self.logvar_linear.forward(&self.logvar_fourier.forward(&c_noise(sigma))).flatten(0, -1)
    }

    /// Embedding of the noise level before the label is mixed in: `[N]` to `[N, emb]`.
    pub fn embed_noise(&self, sigma: &Tensor) -> Tensor {
        match &self.trunk {
            Trunk::Torch(unet) => unet.embed_noise(&c_noise(sigma)),
            Trunk::Plain(unet) => unet.embed_noise(sigma),
        }
    }
}

/// How our own kernels keep a net's weights where they compute it: on a CPU, in bfloat16 those alone, unless the processor
/// multiplies matrices of bfloat16, which libtorch makes more of.
fn storage(device: Device, precision: Precision) -> Option<Storage> {
    match precision {
        _ if device != Device::Cpu => None,
        Precision::Fp32 => Some(Storage::Float),
        Precision::Bf16 => (!device::multiplies_bf16()).then_some(Storage::Bfloat),
        Precision::Fp16 => None,
    }
}

fn c_noise(sigma: &Tensor) -> Tensor {
    sigma.log() / 4.0
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::checkpoint::Checkpoint;
    use crate::damage::{Evaluation, Role};

    /// The same net by own kernels and by libtorch.
    fn both(path: &Path) -> [Precond; 2] {
        let _guard = tch::no_grad_guard();
        let read = || Checkpoint::read(path).unwrap();
        let Checkpoint { config, state } = read();
        let plain = Precond::load(state, &config, Device::Cpu, Precision::Fp32).unwrap();
        assert!(matches!(plain.trunk, Trunk::Plain(_)));
        let mut torch =
            Precond::new(&mut Params::taken(read().state, Device::Cpu), &config, Device::Cpu).unwrap();
        if let Trunk::Torch(unet) = &mut torch.trunk {
            unet.freeze(Kind::Float);
        }
        [plain, torch]
    }

    /// Each layer drops the same activations, whoever computes it.
    #[test]
    fn own_kernels_and_libtorch_drop_the_same() {
        let _guard = tch::no_grad_guard();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/edm2-main.pkl");
        let nets = both(&path);
        let config = nets[0].config();
        let [c, h, w] = config.image_shape();
        let x = Tensor::arange(3 * c * h * w, (Kind::Float, Device::Cpu)).sin().reshape([3, c, h, w]);
        let sigma = Tensor::from_slice(&[0.7_f32, 0.7, 0.7]);
        let labels = Tensor::from_slice(&[0_i64, 1, 1]);
        let evaluation = Evaluation { labels: Some(&labels), seeds: &[4, 5, 6], index: 2 };
        let off = |a: &Tensor, b: &Tensor| (a - b).abs().max().double_value(&[]);
        let of = |share: f64| {
            let given = Given { labels: Some(&labels), dropout: evaluation.of(Role::Guide).dropout(share) };
            nets.each_ref().map(|net| net.denoise_given(&x, &sigma, given))
        };
        let ([plain, torch], [whole, _]) = (of(0.2), of(0.0));
        assert!(off(&plain, &torch) < 1e-5, "{}", off(&plain, &torch));
        assert!(off(&plain, &whole) > 1e-2, "nothing was dropped");
        assert_eq!(whole, nets[0].denoise(&x, &sigma, Some(&labels)));
    }
}
