//! Latents as EDM2's nets see them: mean 0 and standard deviation 0.5 in each channel.

use fidelis_formats::net::Whitening;
use tch::{Kind, Tensor};

pub const CHANNELS: i64 = 4;

/// Mean and standard deviation of the autoencoder's raw latents over ImageNet-512.
const RAW_MEAN: [f64; 4] = [5.81, 3.25, 0.12, -2.15];
const RAW_STD: [f64; 4] = [4.17, 4.62, 3.71, 3.28];
const STD: f64 = 0.5;

/// The published nets' whitening.
pub fn published() -> Whitening {
    Whitening::from_moments(&RAW_MEAN, &RAW_STD, (0.0, STD))
}

/// `(x − bias) / scale`: `[N, 4, h, w]` as the net has it to what the decoder takes, in float32.
pub fn remove(whitening: &Whitening, latents: &Tensor) -> Tensor {
    let [scale, bias] = scale_and_bias(whitening, latents);
    (latents.to_kind(Kind::Float) - bias) / scale
}

/// `x · scale + bias`, the other way.
pub fn apply(whitening: &Whitening, raw: &Tensor) -> Tensor {
    let [scale, bias] = scale_and_bias(whitening, raw);
    raw.to_kind(Kind::Float) * scale + bias
}

fn scale_and_bias(whitening: &Whitening, like: &Tensor) -> [Tensor; 2] {
    [&whitening.scale, &whitening.bias].map(|values| {
        Tensor::from_slice(values).to_kind(Kind::Float).to_device(like.device()).reshape([1, CHANNELS, 1, 1])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_raw_mean_and_one_deviation_more_become_zero_and_a_half() {
        let whitening = published();
        let raw = Tensor::from_slice(&[5.81_f32, 3.25, 0.12, -2.15]).reshape([1, 4, 1, 1]);
        let more = &raw + Tensor::from_slice(&[4.17_f32, 4.62, 3.71, 3.28]).reshape([1, 4, 1, 1]);
        assert!(apply(&whitening, &raw).abs().max().double_value(&[]) < 1e-6);
        assert!((apply(&whitening, &more) - 0.5).abs().max().double_value(&[]) < 1e-6);
        let back = remove(&whitening, &apply(&whitening, &more));
        assert!((back - more).abs().max().double_value(&[]) < 1e-5);
    }
}
