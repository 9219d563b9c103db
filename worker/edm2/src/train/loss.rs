//! The loss: denoising at random noise levels, weighted by what the net itself thinks it can do (EDM2, section 2.2 and
//! appendix B.4).

use tch::{Device, Kind, Tensor};

use crate::net::Precond;

/// Where the noise levels of training lie: ln σ ~ N(`p_mean`, `p_std`²).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NoiseLevels {
    pub p_mean: f64,
    pub p_std: f64,
}

/// Clean images as the net sees them, and their classes.
#[derive(Debug)]
pub struct Batch {
    /// float32 `[N, C, H, W]`.
    pub images: Tensor,
    /// int64 `[N]`; none for an unconditional net.
    pub labels: Option<Tensor>,
}

/// The random part of a step.
#[derive(Debug)]
pub struct StepDraws {
    /// Standard normal float32 `[N]`: σ = exp(`rnd_normal`·P_std + P_mean).
    pub rnd_normal: Tensor,
    /// Standard normal float32 `[N, C, H, W]`, times σ.
    pub noise: Tensor,
}

impl StepDraws {
    /// Draws for images of `shape` `[N, C, H, W]` from torch's current CPU generator, on the CPU.
    pub fn new(shape: &[i64]) -> Self {
        let draw = |shape: &[i64]| Tensor::randn(shape, (Kind::Float, Device::Cpu));
        Self { rnd_normal: draw(&shape[..1]), noise: draw(shape) }
    }

    /// The same on a device.
    pub fn to_device(&self, device: Device) -> Self {
        Self { rnd_normal: self.rnd_normal.to_device(device), noise: self.noise.to_device(device) }
    }

    /// Of the images `start .. start + len`.
    pub(super) fn part(&self, start: i64, len: i64) -> Self {
        let part = |tensor: &Tensor| tensor.narrow(0, start, len);
        Self { rnd_normal: part(&self.rnd_normal), noise: part(&self.noise) }
    }
}

impl Batch {
    /// How many images there are.
    pub fn num_images(&self) -> i64 {
        self.images.size()[0]
    }

    /// The images `start .. start + len`.
    pub(super) fn part(&self, start: i64, len: i64) -> Self {
        let part = |tensor: &Tensor| tensor.narrow(0, start, len);
        Self { images: part(&self.images), labels: self.labels.as_ref().map(part) }
    }
}

impl NoiseLevels {
    /// λ(σ)/exp(u(σ)) · ‖D(y+n; σ) − y‖² + u(σ) with λ(σ) = (σ²+σ_d²)/(σσ_d)², elementwise `[N, C, H, W]` (EDM2,
    /// equation 21).
    pub fn loss(&self, net: &Precond, batch: &Batch, draws: &StepDraws) -> Tensor {
        let clean = &batch.images;
        let sigma = (&draws.rnd_normal * self.p_std + self.p_mean).exp();
        let noise = &draws.noise * sigma.reshape([-1, 1, 1, 1]);
        let sigma_data = net.config().sigma_data;
        let weight = (sigma.square() + sigma_data * sigma_data) / (&sigma * sigma_data).square();
        let denoised = net.denoise(&(clean + noise), &sigma, batch.labels.as_ref());
        let logvar = net.logvar(&sigma);
        let scale = (weight / logvar.exp()).reshape([-1, 1, 1, 1]);
        scale * (denoised - clean).square() + logvar.reshape([-1, 1, 1, 1])
    }
}
