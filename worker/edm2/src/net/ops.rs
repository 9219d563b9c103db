//! Magnitude-preserving operations (EDM2, arXiv 2312.02696, sections 2.2–2.3 and appendix B).

use tch::{Kind, Tensor};

/// Keeps divisions by a vanishing norm finite.
const EPS: f64 = 1e-4;
/// Root mean square of `silu(x)` for standard normal `x`.
pub(super) const SILU_MAGNITUDE: f64 = 0.596;

/// Scales `x` to unit average magnitude over `dims` (equation 47 of the paper's appendix): a tensor of
/// unit-variance elements keeps its magnitude. The norm is taken in float32 whatever the type of `x`.
pub fn normalize(x: &Tensor, dims: &[i64]) -> Tensor {
    let per_norm: i64 = dims.iter().map(|&d| x.size()[d as usize]).product();
    let norm = x.norm_scalaropt_dim_dtype(2.0, dims, true, Kind::Float);
    let scale = norm * (1.0 / (per_norm as f64).sqrt()) + EPS;
    x / scale.to_kind(x.kind())
}

/// `silu` divided by its own magnitude.
pub fn mp_silu(x: &Tensor) -> Tensor {
    x.silu() / SILU_MAGNITUDE
}

/// Weighted sum of two unit-magnitude tensors, again of unit magnitude; `t` is the share of `b`.
pub fn mp_sum(a: &Tensor, b: &Tensor, t: f64) -> Tensor {
    a.lerp(b, t) / ((1.0 - t).powi(2) + t.powi(2)).sqrt()
}

/// The factors of the two tensors in [`mp_sum`].
pub(super) fn mp_sum_factors(t: f64) -> (f64, f64) {
    let root = ((1.0 - t).powi(2) + t.powi(2)).sqrt();
    ((1.0 - t) / root, t / root)
}

/// Concatenation on the channels that balances the two contributions; `t` is the share of `b`.
pub fn mp_cat(a: &Tensor, b: &Tensor, t: f64) -> Tensor {
    let (na, nb) = (a.size()[1] as f64, b.size()[1] as f64);
    let c = ((na + nb) / ((1.0 - t).powi(2) + t.powi(2))).sqrt();
    Tensor::cat(&[a * (c / na.sqrt() * (1.0 - t)), b * (c / nb.sqrt() * t)], 1)
}

/// The same values with the channels of a pixel side by side in memory, which CPUs and tensor cores convolve faster.
pub(super) fn channels_last(x: &Tensor) -> Tensor {
    x.permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2])
}

pub(super) fn is_channels_last(x: &Tensor) -> bool {
    x.stride().get(1) == Some(&1)
}

/// Change of resolution inside a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resample {
    Keep,
    Down,
    Up,
}

impl Resample {
    /// Pixels along an edge after it.
    pub fn of(self, resolution: u64) -> u64 {
        match self {
            Self::Keep => resolution,
            Self::Down => resolution / 2,
            Self::Up => resolution * 2,
        }
    }
}
