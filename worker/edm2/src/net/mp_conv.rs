//! Magnitude-preserving linear layer or convolution, and Fourier features.

use tch::{Kind, Tensor};

use super::ops::{channels_last, normalize};
use crate::layers::conv2d;
use crate::params::{Init, ParamsError, Scope, Shared};

/// `normalize(weight)` over all but the first dimension: what forced weight normalization stores (EDM2, section 2.3).
pub fn normalized(weight: &Tensor) -> Tensor {
    let dims: Vec<i64> = (1..weight.dim() as i64).collect();
    normalize(weight, &dims)
}

/// A layer without bias whose output has the magnitude of its input: linear for a 2-D weight, else a
/// convolution with padding `k/2`.
#[derive(Clone, Debug)]
pub struct MpConv(Weight);

#[derive(Clone, Debug)]
enum Weight {
    /// As stored, with the learned gain if the layer has one.
    Stored { weight: Shared, gain: Option<Shared> },
    /// As it acts, computed once for inference.
    Acting(Shared),
}

impl MpConv {
    /// Asks for `weight` of `shape` (out, in[, k, k]).
    pub fn new(at: &mut Scope, shape: &[i64]) -> Result<Self, ParamsError> {
        let weight = at.tensor("weight", shape)?.into();
        Ok(Self(Weight::Stored { weight, gain: None }))
    }

    /// The part `name` as [`Self::new`], multiplied by the learned scalar `gain` beside it, which starts at zero.
    pub fn with_gain(at: &mut Scope, (name, gain): (&str, &str), shape: &[i64]) -> Result<Self, ParamsError> {
        let weight = at.pp(name).tensor("weight", shape)?.into();
        let gain = Some(at.starting(gain, &[], Init::Zero)?.into());
        Ok(Self(Weight::Stored { weight, gain }))
    }

    /// Computes the acting weight in float32, keeps it as `kind`, a filter in half precision channels-last, and lets go of
    /// the stored one.
    pub fn freeze(&mut self, kind: Kind) {
        let weight: Tensor = self.acting_weight().to_kind(kind);
        let is_filter = kind != Kind::Float && weight.dim() == 4;
        self.0 = Weight::Acting(if is_filter { channels_last(&weight) } else { weight }.into());
    }

    /// As it acts: normalised, with its gain.
    pub(super) fn acting_weight(&self) -> Tensor {
        let (weight, gain) = match &self.0 {
            Weight::Acting(weight) => return weight.shallow_clone(),
            Weight::Stored { weight, gain } => (weight, gain),
        };
        let fan_in: i64 = weight.size()[1..].iter().product();
        let root = (fan_in as f64).sqrt();
        match gain {
            // Rounded to the type in which the gain is stored before it meets the weight: float16 in published nets.
            Some(gain) => normalized(weight) * (&**gain / root).to_kind(Kind::Float),
            None => normalized(weight) * (1.0 / root),
        }
    }

    /// Multiply-adds for one image whose output has `positions` pixels; 1 of a linear layer.
    pub fn multiply_adds(&self, positions: u64) -> u64 {
        let weight = match &self.0 {
            Weight::Acting(weight) | Weight::Stored { weight, .. } => weight,
        };
        weight.numel() as u64 * positions
    }

    /// As [`Self::forward`], times `factor`, which goes into the weight.
    pub fn times(&self, x: &Tensor, factor: f64) -> Tensor {
        apply(&(self.acting_weight() * factor).to_kind(x.kind()), x)
    }

    /// `[N, in]` to `[N, out]`, or `[N, in, H, W]` to `[N, out, H, W]`.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        apply(&self.acting_weight().to_kind(x.kind()), x)
    }
}

fn apply(weight: &Tensor, x: &Tensor) -> Tensor {
    if weight.dim() == 2 {
        return x.matmul(&weight.tr());
    }
    let pad = weight.size()[3] / 2;
    conv2d(x, weight, None, (1, [pad, pad]))
}

/// Random Fourier features of a scalar per image.
#[derive(Clone, Debug)]
pub struct MpFourier {
    pub(super) freqs: Shared,
    pub(super) phases: Shared,
}

impl MpFourier {
    pub fn new(at: &mut Scope, channels: i64) -> Result<Self, ParamsError> {
        Ok(Self {
            freqs: at.starting("freqs", &[channels], Init::Frequencies)?.into(),
            phases: at.starting("phases", &[channels], Init::Phases)?.into(),
        })
    }

    /// `[N]` to `[N, channels]`, in float32.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        (x.outer(&self.freqs) + &*self.phases).cos() * std::f64::consts::SQRT_2
    }
}
