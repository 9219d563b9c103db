//! Weights out of libtorch's hands, with constants folded in and channels in packs.

use tch::{Kind, Tensor};

use crate::kernels::{Kernel, Panels, Stencil, WIDTH, packs_of};

/// Channels that a layer reads side by side, each part filled up to whole packs, with what it is multiplied by.
#[derive(Clone, Copy, Debug)]
pub struct Input {
    pub channels: usize,
    pub factor: f64,
}

impl Input {
    pub fn plain(channels: usize) -> [Self; 1] {
        [Self { channels, factor: 1.0 }]
    }
}

/// A layer's weight as `[out, in, taps]` in row-major order.
pub struct Dense {
    pub shape: [usize; 3],
    pub values: Vec<f32>,
}

impl Dense {
    /// Of `[out, in, …]`.
    pub fn of(weight: &Tensor) -> Self {
        let size: Vec<usize> = weight.size().iter().map(|&n| n as usize).collect();
        let shape = [size[0], size[1], size[2..].iter().product()];
        let mut values = vec![0.0; shape.iter().product()];
        let len = values.len();
        let flat: Tensor = weight.to_kind(Kind::Float).contiguous();
        flat.copy_data(&mut values, len);
        Self { shape, values }
    }

    /// Zero beyond the weight.
    pub fn at(&self, [output, input, tap]: [usize; 3]) -> f32 {
        self.values[(output * self.shape[1] + input) * self.shape[2] + tap]
    }

    /// A convolution of `inputs`, its output times `factor`.
    pub fn kernel(&self, inputs: &[Input], (stencil, factor): (Stencil, f64)) -> Kernel {
        let [outputs, _, taps] = self.shape;
        let packs = inputs.iter().map(|part| packs_of(part.channels)).sum();
        let mut weight = vec![0.0; outputs * packs * WIDTH * taps];
        for (output, filter) in weight.chunks_mut(packs * WIDTH * taps).enumerate() {
            let (mut from, mut to) = (0, 0);
            for part in inputs {
                for channel in 0..part.channels {
                    for tap in 0..taps {
                        let value = f64::from(self.at([output, from + channel, tap]));
                        filter[(to + channel) * taps + tap] = (value * part.factor * factor) as f32;
                    }
                }
                from += part.channels;
                to += packs_of(part.channels) * WIDTH;
            }
        }
        Kernel { stencil, inputs: packs, outputs, weight }
    }

    /// Linear layers of each of `inputs`, to be summed, times `factor`.
    pub fn panels(&self, inputs: &[Input], factor: f64) -> Vec<Panels> {
        let mut from = 0;
        let mut part_of = |part: &Input| {
            let first = from;
            from += part.channels;
            Panels::new(packs_of(part.channels) * WIDTH, self.shape[0], |row, column| {
                if row < part.channels {
                    (f64::from(self.at([column, first + row, 0])) * part.factor * factor) as f32
                } else {
                    0.0
                }
            })
        };
        inputs.iter().map(&mut part_of).collect()
    }
}
