//! Change of resolution by a separable filter.

use tch::{Device, Kind, Tensor};

use super::ops::Resample;
use crate::params::Shared;

/// A filter of evenly many taps.
#[derive(Clone, Debug)]
pub enum Filter {
    /// Two equal taps, as the published nets have them: means and copies.
    Box,
    /// Any others: `[1, 1, L, L]`, of sum 1.
    Taps(Shared),
}

impl Filter {
    /// From the taps of a net's config, which were checked.
    pub fn new(taps: &[f64], device: Device) -> Self {
        if matches!(taps, [a, b] if a == b) {
            return Self::Box;
        }
        let taps = Tensor::from_slice(taps).to_kind(Kind::Float);
        let square = taps.outer(&taps);
        let square = &square / square.sum(Kind::Float);
        Self::Taps(square.unsqueeze(0).unsqueeze(0).to_device(device).into())
    }

    /// Whether it is that of the published nets.
    pub fn is_box(&self) -> bool {
        matches!(self, Self::Box)
    }

    /// `[N, C, H, W]` to the same, half or double height and width.
    pub fn apply(&self, resample: Resample, x: Tensor) -> Tensor {
        match (resample, self) {
            (Resample::Keep, _) => x,
            (Resample::Down, Self::Box) => x.avg_pool2d([2, 2], [2, 2], [0, 0], false, true, None::<i64>),
            (Resample::Up, Self::Box) => x.upsample_nearest2d([x.size()[2] * 2, x.size()[3] * 2], None, None),
            (Resample::Down, Self::Taps(square)) => depthwise(&x, square, false),
            // Each pixel is one of four: what is spread over them is to keep its magnitude.
            (Resample::Up, Self::Taps(square)) => depthwise(&x, &(&**square * 4.0), true),
        }
    }
}

/// Stride 2, forwards or backwards; never in TF32, and the same algorithm every time.
fn depthwise(x: &Tensor, square: &Tensor, transposed: bool) -> Tensor {
    let (channels, padding) = (x.size()[1], (square.size()[3] - 1) / 2);
    let weight = square.to_kind(x.kind()).repeat([channels, 1, 1, 1]);
    let (benchmark, deterministic, cudnn, tf32) = (false, true, true, false);
    x.internal_convolution(
        &weight,
        None::<Tensor>,
        [2, 2],
        [padding, padding],
        [1, 1],
        transposed,
        [0, 0],
        channels,
        benchmark,
        deterministic,
        cudnn,
        tf32,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> Tensor {
        Tensor::arange(2 * 3 * 4 * 6, (Kind::Float, Device::Cpu)).reshape([2, 3, 4, 6]).sin()
    }

    #[test]
    fn equal_taps_are_means_and_copies() {
        let square = Tensor::full([1, 1, 2, 2], 0.25, (Kind::Float, Device::Cpu));
        let general = Filter::Taps(square.into());
        for resample in [Resample::Keep, Resample::Down, Resample::Up] {
            let (ours, theirs) = (Filter::new(&[3.0, 3.0], Device::Cpu), &general);
            let difference = ours.apply(resample, image()) - theirs.apply(resample, image());
            assert!(f64::try_from(difference.abs().max()).unwrap() < 1e-6, "{resample:?}");
        }
    }

    /// [1, 3, 3, 1] by hand, along one axis of an image that is constant along the other.
    #[test]
    fn other_taps_are_weighted_means() {
        let filter = Filter::new(&[1.0, 3.0, 3.0, 1.0], Device::Cpu);
        let row = [1.0_f32, 2.0, 4.0, 8.0, 16.0, 32.0];
        let x = Tensor::from_slice(&row).reshape([1, 1, 1, 6]).repeat([1, 1, 8, 1]);
        let down = filter.apply(Resample::Down, x.shallow_clone());
        assert_eq!(down.size(), [1, 1, 4, 3]);
        // Away from the edges, where zeros are outside.
        let expected = (2.0 + 3.0 * 4.0 + 3.0 * 8.0 + 16.0) / 8.0;
        assert!((down.double_value(&[0, 0, 1, 1]) - expected).abs() < 1e-5);
        let up = filter.apply(Resample::Up, x);
        assert_eq!(up.size(), [1, 1, 16, 12]);
        for (at, expected) in [(4, (3.0 * 4.0 + 2.0) / 4.0), (5, (3.0 * 4.0 + 8.0) / 4.0)] {
            assert!((up.double_value(&[0, 0, 7, at]) - expected).abs() < 1e-5, "{at}");
        }
    }
}
