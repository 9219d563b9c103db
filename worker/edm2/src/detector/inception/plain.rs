//! The net in float32 on a CPU, without libtorch: bias and rectifier are part of writing a convolution's output, and what
//! stands side by side on the channels is read as if it were one.

use tch::{Kind, Tensor};

use super::blocks::{BasicConv, Block, Branch, Pool};
use super::resize::SIDE;
use crate::dense::{Dense, Input};
use crate::kernels::{
    Conv, Finish, Memory, Pack, Part, Pixelwise, Shape, Source, Stencil, Storage, Summary, WIDTH, packs_of,
    pool, spatial_means,
};

/// The image in squares of 2×2 pixels, whose 12 values are the channels: its first convolution, 3×3 of 3 channels with
/// stride 2, is one of 2×2 squares with stride 1, and no longer leaves most of each pack empty.
const SQUARES: usize = (SIDE as usize).div_ceil(2);

/// The weights of the blocks, laid out for the CPU.
#[derive(Debug)]
pub struct PlainInception {
    blocks: Vec<Block<PlainConv>>,
    memory: Memory,
}

#[derive(Clone, Debug)]
struct PlainConv {
    layer: Layer,
    bias: Vec<Pack>,
}

#[derive(Clone, Debug)]
enum Layer {
    Pixelwise(Pixelwise),
    Conv(Conv),
}

/// Activations side by side on the channels.
struct Maps {
    shape: Shape,
    parts: Vec<Vec<Pack>>,
}

impl PlainInception {
    /// Images that share the reading of the weights.
    pub const AT_ONCE: i64 = 4;

    /// Takes the weights, and lets go of them block by block.
    pub fn new(blocks: Vec<Block<BasicConv>>) -> Self {
        let mut channels = vec![12];
        let mut shape = Shape { images: 1, height: SQUARES, width: SQUARES };
        let plain = |block: Block<BasicConv>| {
            let (mut after, mut left) = (shape, Vec::new());
            let branches = block.into_iter().map(|branch| {
                let (branch, out, shape) = plain_branch(branch, &channels, shape);
                left.extend(out);
                after = shape;
                branch
            });
            let branches = branches.collect();
            (channels, shape) = (left, after);
            branches
        };
        Self { blocks: blocks.into_iter().map(plain).collect(), memory: Memory::default() }
    }

    /// float32 `[N, 3, 299, 299]` to the pooled features `[N, 2048]`.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let mut maps = self.squares(x);
        for block in &self.blocks {
            let after: Vec<Maps> = block.iter().map(|branch| self.branch(branch, &maps)).collect();
            maps.parts.into_iter().for_each(|part| self.memory.give_back(part));
            maps = Maps {
                shape: after[0].shape,
                parts: after.into_iter().flat_map(|maps| maps.parts).collect(),
            };
        }
        let means: Vec<Tensor> = maps.parts.iter().map(|part| means(part, maps.shape)).collect();
        maps.parts.into_iter().for_each(|part| self.memory.give_back(part));
        Tensor::cat(&means, 1)
    }

    fn branch(&self, branch: &Branch<PlainConv>, x: &Maps) -> Maps {
        let mut own = branch.pool.map(|pool| self.pool(pool, x));
        for conv in &branch.convs {
            let y = self.convolve(conv, own.as_ref().unwrap_or(x));
            own.replace(y).into_iter().for_each(|maps| self.give_back(maps));
        }
        let own = own.expect("a branch does something");
        if branch.tails.is_empty() {
            return own;
        }
        let tails: Vec<Maps> = branch.tails.iter().map(|conv| self.convolve(conv, &own)).collect();
        let parts = tails.into_iter().flat_map(|maps| maps.parts).collect();
        let shape = own.shape;
        self.give_back(own);
        Maps { shape, parts }
    }

    fn give_back(&self, maps: Maps) {
        maps.parts.into_iter().for_each(|part| self.memory.give_back(part));
    }

    fn convolve(&self, conv: &PlainConv, x: &Maps) -> Maps {
        let pixels = x.shape.pixels();
        let parts: Vec<Part> =
            x.parts.iter().map(|data| Part { data, packs: data.len() / pixels, factor: 1.0 }).collect();
        let source = Source { shape: x.shape, parts: &parts, silu: false };
        let shape = conv.stencil().out(x.shape);
        let mut y = self.memory.take(shape.pixels() * conv.bias.len());
        let to = (&mut y[..], &Finish::Rectify { bias: &conv.bias });
        match &conv.layer {
            Layer::Pixelwise(layer) => layer.run(&self.memory.crew, &source, to),
            Layer::Conv(layer) => layer.run(&self.memory.crew, &source, to),
        }
        Maps { shape, parts: vec![y] }
    }

    fn pool(&self, kind: Pool, x: &Maps) -> Maps {
        let stencil = kind.stencil();
        let of = if kind == Pool::Mean { Summary::Mean } else { Summary::Max };
        let shape = stencil.out(x.shape);
        let pooled = |part: &Vec<Pack>| {
            let mut y = self.memory.take(part.len() / x.shape.pixels() * shape.pixels());
            pool(&self.memory.crew, part, &mut y, (x.shape, stencil, of));
            y
        };
        Maps { shape, parts: x.parts.iter().map(pooled).collect() }
    }

    /// The last row and column of squares are half outside of the image.
    fn squares(&self, x: &Tensor) -> Maps {
        let side = SIDE as usize;
        let images = x.size()[0] as usize;
        let values = Vec::<f32>::try_from(x.to_kind(Kind::Float).reshape([-1])).expect("a tensor on the CPU");
        let shape = Shape { images, height: SQUARES, width: SQUARES };
        let mut packs = self.memory.take(shape.pixels());
        packs.fill([0.0; WIDTH]);
        for (row, line) in values.chunks_exact(side).enumerate() {
            let (image, channel, y) = (row / side / 3, row / side % 3, row % side);
            let squares = &mut packs[(image * SQUARES + y / 2) * SQUARES..][..SQUARES];
            for (square, pair) in squares.iter_mut().zip(line.chunks(2)) {
                for (x, value) in pair.iter().enumerate() {
                    square[channel_of([y % 2, x, channel])] = *value;
                }
            }
        }
        Maps { shape, parts: vec![packs] }
    }
}

/// The channel of a square that is a pixel's.
const fn channel_of([y, x, channel]: [usize; 3]) -> usize {
    (y * 2 + x) * 3 + channel
}

/// Also the channels of its parts, and their places.
fn plain_branch(
    branch: Branch<BasicConv>,
    channels: &[usize],
    shape: Shape,
) -> (Branch<PlainConv>, Vec<usize>, Shape) {
    let Branch { pool, convs, tails } = branch;
    let mut channels = channels.to_vec();
    let mut shape = pool.map_or(shape, |pool| pool.stencil().out(shape));
    let mut plain = Vec::new();
    for conv in convs {
        let conv = PlainConv::new(&conv, &channels, shape);
        (channels, shape) = (vec![conv.bias.len() * WIDTH], conv.stencil().out(shape));
        plain.push(conv);
    }
    let tails: Vec<PlainConv> = tails.iter().map(|conv| PlainConv::new(conv, &channels, shape)).collect();
    if !tails.is_empty() {
        channels = tails.iter().map(|conv| conv.bias.len() * WIDTH).collect();
    }
    (Branch { pool, convs: plain, tails }, channels, shape)
}

impl PlainConv {
    /// `channels` are those of the parts that it reads.
    fn new(BasicConv(conv): &BasicConv, channels: &[usize], shape: Shape) -> Self {
        let weight = Dense::of(&conv.weight);
        let size = conv.weight.size();
        let mut stencil = Stencil {
            taps: [size[2], size[3]].map(|taps| taps as usize),
            stride: conv.stride as usize,
            padding: conv.padding.map(|pixels| pixels as usize),
        };
        let weight = if size[1] == 3 {
            stencil = Stencil { taps: [2, 2], stride: 1, padding: [0, 0] };
            of_squares(&weight)
        } else {
            weight
        };
        let inputs: Vec<Input> = channels.iter().map(|&channels| Input { channels, factor: 1.0 }).collect();
        let layer = if stencil.num_taps() == 1 {
            Layer::Pixelwise(Pixelwise::new(weight.panels(&inputs, 1.0), Storage::Float))
        } else {
            Layer::Conv(Conv::new(&weight.kernel(&inputs, (stencil, 1.0)), (shape, Storage::Float)))
        };
        let mut bias = vec![[0.0; WIDTH]; packs_of(weight.shape[0])];
        conv.bias.to_kind(Kind::Float).copy_data(bias.as_flattened_mut(), weight.shape[0]);
        Self { layer, bias }
    }

    fn stencil(&self) -> Stencil {
        match &self.layer {
            Layer::Pixelwise(_) => Stencil { taps: [1, 1], stride: 1, padding: [0, 0] },
            Layer::Conv(conv) => conv.stencil(),
        }
    }
}

impl Pool {
    const fn stencil(self) -> Stencil {
        match self {
            Self::Mean | Self::Max => Stencil::SAME3,
            Self::Halve => Stencil { taps: [3, 3], stride: 2, padding: [0, 0] },
        }
    }
}

/// A 3×3 filter of three channels with stride 2, as 2×2 squares.
fn of_squares(weight: &Dense) -> Dense {
    let [outputs, inputs, _] = weight.shape;
    let mut squares = Dense { shape: [outputs, 12, 4], values: vec![0.0; outputs * 12 * 4] };
    for i in 0..outputs * inputs * 9 {
        let (output, input, y, x) = (i / 9 / inputs, i / 9 % inputs, i % 9 / 3, i % 3);
        let channel = channel_of([y % 2, x % 2, input]);
        squares.values[(output * 12 + channel) * 4 + y / 2 * 2 + x / 2] = weight.values[i];
    }
    squares
}

/// `[N, C]`.
fn means(part: &[Pack], shape: Shape) -> Tensor {
    let packs = part.len() / shape.pixels();
    let mut means = vec![[0.0; WIDTH]; shape.images * packs];
    spatial_means(part, &mut means, shape);
    Tensor::from_slice(means.as_flattened()).reshape([shape.images as i64, (packs * WIDTH) as i64])
}
