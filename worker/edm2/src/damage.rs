//! Damage of nets while they sample (arXiv 2406.02507, its controlled experiment): dropout within the blocks, and noise on
//! the input.
//!
//! Every draw is Philox at a counter of (evaluation, layer, place) under a key of (seed, net): an image's damage depends on
//! its seed alone (D1), and is the same on every device. The initial noise has streams of its own.

use tch::Tensor;

use crate::noise::{block, box_muller};

/// In the place of a layer: what is drawn for the input.
const INPUT: u32 = u32::MAX;
/// Values that one counter gives.
pub const LANES: usize = 4;

/// Which net of a pair is damaged, so that both draw apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Main = 1,
    Guide = 2,
}

/// A batch of images at some evaluation of their sampling.
#[derive(Clone, Copy, Debug, Default)]
pub struct Evaluation<'a> {
    /// `[N]` class indices, for nets that have classes.
    pub labels: Option<&'a Tensor>,
    /// One for each image; nobody asks for them where nothing is damaged.
    pub seeds: &'a [u64],
    /// How many evaluations these images have had before.
    pub index: u32,
}

impl<'a> Evaluation<'a> {
    /// What is drawn to damage a net.
    pub fn of(&self, role: Role) -> Draws<'a> {
        Draws { seeds: self.seeds, index: self.index, role }
    }
}

/// The random streams of a net's damage in one evaluation.
#[derive(Clone, Copy, Debug)]
pub struct Draws<'a> {
    seeds: &'a [u64],
    index: u32,
    role: Role,
}

impl<'a> Draws<'a> {
    fn words(&self, image: usize, layer: u32, place: u32) -> [u32; LANES] {
        block([self.seeds[image] as u32, self.role as u32], [self.index, layer, place, 0])
    }

    /// What a net with this input noise sees instead of `x` `[N, C, H, W]` at noise level `sigma`, and is told: as much
    /// noise more as brings its level to (1 + share)·sigma.
    pub fn noisier(&self, x: &Tensor, sigma: f64, share: f64) -> (Tensor, f64) {
        let raised = sigma * (1.0 + share);
        let extra = (raised * raised - sigma * sigma).sqrt();
        let per_image = x.numel() / self.seeds.len();
        let values = (0..self.seeds.len())
            .flat_map(|image| (0..per_image).map(move |i| (image, i)))
            .map(|(image, i)| box_muller(self.words(image, INPUT, i as u32)));
        let noise = Tensor::from_slice(&values.collect::<Vec<f32>>()).reshape(x.size());
        (x + noise.to_device(x.device()).to_kind(x.kind()) * extra, raised)
    }

    /// Dropout of so large a share; none where it drops nothing.
    pub fn dropout(self, share: f64) -> Option<Dropout<'a>> {
        (share > 0.0).then(|| Dropout {
            draws: self,
            layer: 0,
            dropped_below: (share * 2.0_f64.powi(32)) as u32,
            scale: (1.0 / (1.0 - share)) as f32,
        })
    }
}

/// Which activations of a layer are dropped; those that are kept grow, so that the mean stays.
#[derive(Clone, Copy, Debug)]
pub struct Dropout<'a> {
    draws: Draws<'a>,
    layer: u32,
    dropped_below: u32,
    scale: f32,
}

impl Dropout<'_> {
    /// The same of another block, counted from the first of the encoder on.
    pub fn of_layer(self, layer: usize) -> Self {
        Self { layer: layer as u32, ..self }
    }

    /// Factors of one pixel's channels `4·group` to `4·group + 3`, of which it has `groups`.
    pub fn factors(&self, image: usize, (pixel, group, groups): (usize, usize, usize)) -> [f32; LANES] {
        let place = (pixel * groups + group) as u32;
        let words = self.draws.words(image, self.layer, place);
        words.map(|word| if word < self.dropped_below { 0.0 } else { self.scale })
    }

    /// Drops values of `y` `[N, C, H, W]`.
    pub fn apply(&self, y: &Tensor) -> Tensor {
        let (images, channels, height, width) = y.size4().expect("a block's activations are NCHW");
        let (pixels, groups) = ((height * width) as usize, (channels as usize).div_ceil(LANES));
        let mut factors = Vec::with_capacity(images as usize * pixels * groups * LANES);
        for image in 0..images as usize {
            for pixel in 0..pixels {
                (0..groups).for_each(|group| factors.extend(self.factors(image, (pixel, group, groups))));
            }
        }
        let mask = Tensor::from_slice(&factors).reshape([images, height, width, (groups * LANES) as i64]);
        let mask = mask.narrow(3, 0, channels).permute([0, 3, 1, 2]);
        y * mask.to_device(y.device()).to_kind(y.kind())
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    fn values(tensor: &Tensor) -> Vec<f32> {
        tensor.contiguous().flatten(0, -1).try_into().unwrap()
    }

    fn dropped(seeds: &[u64], index: u32, role: Role, layer: usize) -> Vec<f32> {
        let draws = Evaluation { seeds, index, labels: None }.of(role);
        let ones = Tensor::ones([seeds.len() as i64, 18, 16, 16], (Kind::Float, Device::Cpu));
        values(&draws.dropout(0.1).unwrap().of_layer(layer).apply(&ones))
    }

    #[test]
    fn a_share_is_dropped_and_the_mean_stays() {
        let seeds: Vec<u64> = (0..40).collect();
        let found = dropped(&seeds, 3, Role::Guide, 2);
        let share = found.iter().filter(|&&x| x == 0.0).count() as f64 / found.len() as f64;
        assert!((share - 0.1).abs() < 0.002, "{share}");
        let mean = found.iter().map(|&x| f64::from(x)).sum::<f64>() / found.len() as f64;
        assert!((mean - 1.0).abs() < 0.002, "{mean}");
        // Neighbours know nothing of each other.
        let both = found.windows(2).filter(|pair| pair == &[0.0, 0.0]).count() as f64 / found.len() as f64;
        assert!((both - 0.01).abs() < 0.001, "{both}");
    }

    /// D1: whatever stands beside it.
    #[test]
    fn an_image_is_damaged_by_its_seed_alone() {
        let (many, one) = (dropped(&[5, 9, 7], 4, Role::Main, 1), dropped(&[9], 4, Role::Main, 1));
        assert_eq!(many[one.len()..2 * one.len()], one);
        for other in [
            dropped(&[8], 4, Role::Main, 1),
            dropped(&[9], 5, Role::Main, 1),
            dropped(&[9], 4, Role::Guide, 1),
            dropped(&[9], 4, Role::Main, 2),
        ] {
            assert_ne!(other, one);
        }
    }

    #[test]
    fn the_input_gets_the_noise_that_raises_its_level() {
        let x = Tensor::zeros([30, 3, 16, 16], (Kind::Float, Device::Cpu));
        let seeds: Vec<u64> = (100..130).collect();
        let of = |seeds| Evaluation { seeds, index: 1, labels: None }.of(Role::Guide);
        let (seen, told) = of(&seeds).noisier(&x, 2.0, 0.1);
        assert!((told - 2.2).abs() < 1e-12);
        // √(2.2² − 2²)
        let std = seen.std(true).double_value(&[]);
        assert!((std / 0.84_f64.sqrt() - 1.0).abs() < 0.02, "{std}");
        assert!(seen.mean(Kind::Double).double_value(&[]).abs() < 0.02);
        let (alone, _) = of(&[104]).noisier(&x.narrow(0, 0, 1), 2.0, 0.1);
        assert_eq!(values(&seen.narrow(0, 4, 1)), values(&alone));
    }

    #[test]
    fn no_damage_is_none() {
        assert!(Evaluation::default().of(Role::Main).dropout(0.0).is_none());
    }
}
