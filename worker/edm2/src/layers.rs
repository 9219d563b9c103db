//! The plain layers that the encoders and detectors of other houses are made of.

use tch::{Device, Tensor};

use crate::params::{ParamsError, Scope, Shared};

/// A convolution with bias.
#[derive(Clone, Debug)]
pub struct Conv {
    pub weight: Shared,
    pub bias: Shared,
    pub stride: i64,
    pub padding: [i64; 2],
}

impl Conv {
    /// Stride 1, padded so that the size stays: `weight` `[out, in, k, k]` and `bias`.
    pub fn same(at: &mut Scope, shape: [i64; 3]) -> Result<Self, ParamsError> {
        let [out, input, k] = shape;
        Ok(Self {
            weight: at.tensor("weight", &[out, input, k, k])?.into(),
            bias: at.tensor("bias", &[out])?.into(),
            stride: 1,
            padding: [k / 2, k / 2],
        })
    }

    /// `[N, in, H, W]` to `[N, out, H', W']`.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        conv2d(x, &self.weight, Some(&self.bias), (self.stride, self.padding))
    }
}

/// The one convolution of this crate: never in TF32 and never by an algorithm that gives other bits each time, neither
/// of which torch promises on a GPU unless told so.
pub fn conv2d(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    (stride, padding): (i64, [i64; 2]),
) -> Tensor {
    let (dilation, transposed, output_padding, groups) = ([1, 1], false, [0, 0], 1);
    let (benchmark, deterministic, cudnn, tf32) = (false, true, true, false);
    x.internal_convolution(
        weight,
        bias,
        [stride; 2],
        padding,
        dilation,
        transposed,
        output_padding,
        groups,
        benchmark,
        deterministic,
        cudnn,
        tf32,
    )
}

/// `x @ weightᵀ + bias`.
#[derive(Clone, Debug)]
pub struct Linear {
    weight: Shared,
    bias: Shared,
}

impl Linear {
    pub fn new(at: &mut Scope, out: i64, input: i64) -> Result<Self, ParamsError> {
        Ok(Self {
            weight: at.tensor("weight", &[out, input])?.into(),
            bias: at.tensor("bias", &[out])?.into(),
        })
    }

    /// `[…, in]` to `[…, out]`.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        x.linear(&self.weight, Some(&*self.bias))
    }
}

/// Scale and shift of a normalization, ε = 1e-6.
#[derive(Clone, Debug)]
pub struct Norm {
    weight: Shared,
    bias: Shared,
}

impl Norm {
    const EPS: f64 = 1e-6;

    pub fn new(at: &mut Scope, channels: i64) -> Result<Self, ParamsError> {
        Ok(Self {
            weight: at.tensor("weight", &[channels])?.into(),
            bias: at.tensor("bias", &[channels])?.into(),
        })
    }

    /// Normalizes `[N, C, H, W]` over each of `groups` groups of channels.
    pub fn groups(&self, x: &Tensor, groups: i64) -> Tensor {
        x.group_norm(groups, Some(&*self.weight), Some(&*self.bias), Self::EPS, true)
    }

    /// Normalizes the last dimension.
    pub fn last(&self, x: &Tensor) -> Tensor {
        x.layer_norm(self.weight.size(), Some(&*self.weight), Some(&*self.bias), Self::EPS, true)
    }
}

/// Sends the rows of `images` through `net` a few at a time, which bounds the memory.
///
/// On a CPU each goes alone: what comes of an image is then a function of its own pixels, whatever the batch it came in.
/// On a GPU `gpu_batch` go together.
pub fn in_parts<E>(
    images: &Tensor,
    device: Device,
    gpu_batch: i64,
    net: impl Fn(&Tensor) -> Result<Tensor, E>,
) -> Result<Tensor, E> {
    let at_once = if device == Device::Cpu { 1 } else { gpu_batch };
    let parts: Vec<Tensor> = images.split(at_once, 0).iter().map(net).collect::<Result<_, E>>()?;
    Ok(Tensor::cat(&parts, 0))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::convert::Infallible;

    use super::*;

    #[test]
    fn a_cpu_sees_rows_one_by_one_and_in_order() {
        let rows = Tensor::arange(10, tch::kind::INT64_CPU).reshape([5, 2]);
        let seen = RefCell::new(Vec::new());
        let Ok(whole) = in_parts::<Infallible>(&rows, Device::Cpu, 4, |x| {
            seen.borrow_mut().push(x.size()[0]);
            Ok(x * 2)
        });
        assert_eq!(whole, &rows * 2);
        assert_eq!(seen.take(), [1; 5]);
        let Ok(_) = in_parts::<Infallible>(&rows, Device::Cuda(0), 4, |x| {
            seen.borrow_mut().push(x.size()[0]);
            Ok(x.shallow_clone())
        });
        assert_eq!(seen.take(), [4, 1]);
    }
}
