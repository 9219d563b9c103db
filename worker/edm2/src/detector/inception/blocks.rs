//! Convolutions and the branches that blocks are made of.

use tch::{Kind, Tensor};

use crate::layers::Conv;
use crate::params::{ParamsError, Scope};

/// Where it differs from torch's 1e-5: the graph's own.
const BATCH_NORM_EPS: f64 = 1e-3;

/// A convolution as the tables name it; it is followed by batch normalization and a rectifier.
#[derive(Clone, Copy, Debug)]
pub struct ConvSpec {
    pub name: &'static str,
    pub out: i64,
    pub kernel: [i64; 2],
    pub stride: i64,
    pub padding: [i64; 2],
}

/// k×k, the size stays.
pub const fn conv(name: &'static str, out: i64, k: i64) -> ConvSpec {
    wide(name, out, [k, k])
}

/// The size stays.
pub const fn wide(name: &'static str, out: i64, kernel: [i64; 2]) -> ConvSpec {
    ConvSpec { name, out, kernel, stride: 1, padding: [kernel[0] / 2, kernel[1] / 2] }
}

/// 3×3 without padding.
pub const fn valid(name: &'static str, out: i64, stride: i64) -> ConvSpec {
    ConvSpec { name, out, kernel: [3, 3], stride, padding: [0, 0] }
}

/// Convolution with its batch normalization folded in, and rectifier.
#[derive(Clone, Debug)]
pub struct BasicConv(pub Conv);

impl BasicConv {
    pub fn new(at: &mut Scope, spec: ConvSpec, input: i64) -> Result<Self, ParamsError> {
        let ConvSpec { name, out, kernel: [h, w], stride, padding } = spec;
        let mut at = at.pp(name);
        let mut take = |part: &str, shape: &[i64]| Ok(at.tensor(part, shape)?.to_kind(Kind::Double));
        let kernel = take("conv.weight", &[out, input, h, w])?;
        let (gain, shift) = (take("bn.weight", &[out])?, take("bn.bias", &[out])?);
        let (mean, var) = (take("bn.running_mean", &[out])?, take("bn.running_var", &[out])?);
        // In float64: γ/√(var + ε) is rounded once, with the product.
        let gain = gain / (var + BATCH_NORM_EPS).sqrt();
        let weight = kernel * gain.reshape([-1, 1, 1, 1]);
        let bias = shift - mean * gain;
        let folded = |tensor: Tensor| tensor.to_kind(Kind::Float).into();
        Ok(Self(Conv { weight: folded(weight), bias: folded(bias), stride, padding }))
    }

    pub fn forward(&self, x: &Tensor) -> Tensor {
        self.0.forward(x).relu_()
    }
}

/// What a branch begins with, where it is not a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pool {
    /// 3×3 mean, stride 1, in which padding does not count.
    Mean,
    /// 3×3 maximum, stride 1.
    Max,
    /// 3×3 maximum, stride 2, no padding.
    Halve,
}

impl Pool {
    pub fn forward(self, x: &Tensor) -> Tensor {
        match self {
            Self::Mean => x.avg_pool2d([3, 3], [1, 1], [1, 1], false, false, None::<i64>),
            Self::Max => x.max_pool2d([3, 3], [1, 1], [1, 1], [1, 1], false),
            Self::Halve => x.max_pool2d([3, 3], [2, 2], [0, 0], [1, 1], false),
        }
    }
}

/// A pool, convolutions one after the other, and last convolutions side by side.
#[derive(Clone, Debug)]
pub struct BranchSpec {
    pub pool: Option<Pool>,
    pub convs: Vec<ConvSpec>,
    pub tails: Vec<ConvSpec>,
}

/// The same with its weights, laid out for whoever computes it.
#[derive(Clone, Debug)]
pub struct Branch<C> {
    pub pool: Option<Pool>,
    pub convs: Vec<C>,
    pub tails: Vec<C>,
}

/// Branches side by side.
pub type Block<C> = Vec<Branch<C>>;

/// Takes a block's weights, on `input` channels; also gives the channels that it leaves.
pub fn block(
    at: &mut Scope,
    specs: Vec<BranchSpec>,
    input: i64,
) -> Result<(Block<BasicConv>, i64), ParamsError> {
    let mut channels = 0;
    let mut branches = Vec::new();
    for BranchSpec { pool, convs, tails } in specs {
        let mut width = input;
        let mut built = Vec::new();
        for spec in convs {
            built.push(BasicConv::new(at, spec, width)?);
            width = spec.out;
        }
        let last = |spec: &ConvSpec| BasicConv::new(at, *spec, width);
        channels += if tails.is_empty() { width } else { tails.iter().map(|t| t.out).sum() };
        let tails = tails.iter().map(last).collect::<Result<_, _>>()?;
        branches.push(Branch { pool, convs: built, tails });
    }
    Ok((branches, channels))
}

impl Branch<BasicConv> {
    fn forward(&self, x: &Tensor) -> Tensor {
        let x = self.pool.map_or_else(|| x.shallow_clone(), |pool| pool.forward(x));
        let x = self.convs.iter().fold(x, |x, conv| conv.forward(&x));
        beside(&self.tails.iter().map(|conv| conv.forward(&x)).collect::<Vec<_>>()).unwrap_or(x)
    }
}

/// All branches of a block, side by side.
pub fn forward(block: &Block<BasicConv>, x: &Tensor) -> Tensor {
    beside(&block.iter().map(|branch| branch.forward(x)).collect::<Vec<_>>()).expect("a block has branches")
}

fn beside(parts: &[Tensor]) -> Option<Tensor> {
    match parts {
        [] => None,
        [one] => Some(one.shallow_clone()),
        _ => Some(Tensor::cat(parts, 1)),
    }
}
