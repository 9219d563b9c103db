//! DINOv2's ViT-L/14 (arXiv 2304.07193): the detector of FD-DINOv2 (arXiv 2306.04675).

use tch::{Device, Kind, Tensor};

use super::inception::three_channels;
use crate::layers::{Conv, Linear, Norm};
use crate::net::StateDict;
use crate::params::{Params, ParamsError, Scope, Shared};

const WIDTH: i64 = 1024;
const DEPTH: i64 = 24;
const HEADS: i64 = 16;
const PATCH: i64 = 14;
/// Patches along a side of the images that the position embeddings were learned on …
const LEARNED: i64 = 37;
/// … and of those that come here, 224 pixels wide.
const PATCHES: i64 = 16;
const SIDE: i64 = PATCHES * PATCH;
/// Keeps the interpolation of the embeddings from rounding down to one patch less.
const OFFSET: f64 = 0.1;

/// Mean and standard deviation of ImageNet's pixels, in [0, 1].
const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const STD: [f32; 3] = [0.229, 0.224, 0.225];

/// The net in float32 on one device. Clones share the weights.
#[derive(Clone, Debug)]
pub struct DinoV2 {
    device: Device,
    cls_token: Shared,
    /// Of 16×16 patches, after that of the class token: `[1, 257, 1024]`.
    pos_embed: Shared,
    patch_embed: Conv,
    blocks: Vec<Block>,
    norm: Norm,
}

impl DinoV2 {
    pub const NUM_FEATURES: i64 = WIDTH;

    /// Takes the weights from a state dict under the names of `dinov2_vitl14_pretrain.pth`.
    pub fn new(mut state: StateDict, device: Device) -> Result<Self, ParamsError> {
        // Of training alone.
        state.remove("mask_token");
        let mut params = Params::taken(state, device);
        let net = Self::build(&mut params.root())?;
        params.finish()?;
        Ok(net)
    }

    /// Names and shapes of the state dict, without `mask_token`, which may be there and is not used.
    pub fn layout() -> Vec<(String, Vec<i64>)> {
        let mut params = Params::blank();
        Self::build(&mut params.root()).expect("blank weights have every name and shape");
        params.layout()
    }

    fn build(at: &mut Scope) -> Result<Self, ParamsError> {
        let _guard = tch::no_grad_guard();
        let patch_embed = Conv::same(&mut at.pp("patch_embed.proj"), [WIDTH, 3, PATCH])?;
        let learned = at.tensor("pos_embed", &[1, 1 + LEARNED * LEARNED, WIDTH])?;
        Ok(Self {
            device: at.device(),
            cls_token: at.tensor("cls_token", &[1, 1, WIDTH])?.into(),
            pos_embed: interpolated(&learned).into(),
            patch_embed: Conv { stride: PATCH, padding: [0, 0], ..patch_embed },
            blocks: (0..DEPTH)
                .map(|i| Block::new(&mut at.pp(format_args!("blocks.{i}"))))
                .collect::<Result<_, _>>()?,
            norm: Norm::new(&mut at.pp("norm"), WIDTH)?,
        })
    }

    pub fn device(&self) -> Device {
        self.device
    }

    /// uint8 `[N, 1 or 3, H, W]` to `[N, 3, 224, 224]` as the net takes it: bicubic with antialias in float32, neither
    /// rounded nor clipped, then normalized. `None` for other shapes.
    pub fn preprocess(&self, images: &Tensor) -> Option<Tensor> {
        let x = three_channels(images, self.device)?.to_kind(Kind::Float);
        let x = x.internal_upsample_bicubic2d_aa([SIDE, SIDE], false, None, None) / 255.0;
        let channels =
            |values: &[f32]| Tensor::from_slice(values).to_device(self.device).reshape([1, 3, 1, 1]);
        Some((x - channels(&MEAN)) / channels(&STD))
    }

    /// What [`Self::preprocess`] left to the class token after the last normalization, `[N, 1024]`.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let n = x.size()[0];
        let patches = self.patch_embed.forward(x).flatten(2, -1).transpose(1, 2);
        let x = Tensor::cat(&[self.cls_token.expand([n, 1, WIDTH], false), patches], 1) + &*self.pos_embed;
        let x = self.blocks.iter().fold(x, |x, block| block.forward(&x));
        self.norm.last(&x.select(1, 0))
    }
}

/// Position embeddings of 37×37 patches at 16×16: bicubic, no antialias. The step between sources follows from the
/// scale factor (16 + 0.1)/37, not from the sizes.
fn interpolated(learned: &Tensor) -> Tensor {
    let cls = learned.narrow(1, 0, 1);
    let patches = learned.narrow(1, 1, LEARNED * LEARNED).reshape([1, LEARNED, LEARNED, WIDTH]);
    let scale = (PATCHES as f64 + OFFSET) / LEARNED as f64;
    let patches = patches.permute([0, 3, 1, 2]).upsample_bicubic2d([PATCHES, PATCHES], false, scale, scale);
    Tensor::cat(&[cls, patches.flatten(2, -1).transpose(1, 2)], 1)
}

#[derive(Clone, Debug)]
struct Block {
    norm1: Norm,
    qkv: Linear,
    proj: Linear,
    scale1: Shared,
    norm2: Norm,
    fc1: Linear,
    fc2: Linear,
    scale2: Shared,
}

impl Block {
    fn new(at: &mut Scope) -> Result<Self, ParamsError> {
        Ok(Self {
            norm1: Norm::new(&mut at.pp("norm1"), WIDTH)?,
            qkv: Linear::new(&mut at.pp("attn.qkv"), 3 * WIDTH, WIDTH)?,
            proj: Linear::new(&mut at.pp("attn.proj"), WIDTH, WIDTH)?,
            scale1: at.tensor("ls1.gamma", &[WIDTH])?.into(),
            norm2: Norm::new(&mut at.pp("norm2"), WIDTH)?,
            fc1: Linear::new(&mut at.pp("mlp.fc1"), 4 * WIDTH, WIDTH)?,
            fc2: Linear::new(&mut at.pp("mlp.fc2"), WIDTH, 4 * WIDTH)?,
            scale2: at.tensor("ls2.gamma", &[WIDTH])?.into(),
        })
    }

    /// `[N, tokens, 1024]` to the same.
    fn forward(&self, x: &Tensor) -> Tensor {
        let x = x + self.attend(&self.norm1.last(x)) * &*self.scale1;
        let y = self.fc2.forward(&self.fc1.forward(&self.norm2.last(&x)).gelu("none"));
        x + y * &*self.scale2
    }

    fn attend(&self, x: &Tensor) -> Tensor {
        let (n, tokens, head_dim) = (x.size()[0], x.size()[1], WIDTH / HEADS);
        let qkv = self.qkv.forward(x).reshape([n, tokens, 3, HEADS, head_dim]).permute([2, 0, 3, 1, 4]);
        let (q, k, v) = (qkv.select(0, 0), qkv.select(0, 1), qkv.select(0, 2));
        let scores = (q / (head_dim as f64).sqrt()).matmul(&k.transpose(2, 3));
        let y = scores.softmax(-1, None::<Kind>).matmul(&v);
        self.proj.forward(&y.transpose(1, 2).reshape([n, tokens, WIDTH]))
    }
}
