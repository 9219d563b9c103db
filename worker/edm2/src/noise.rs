//! What a seed alone decides about its image: initial noise, class and churn noises (D1).
//!
//! The stream of seed `s` is torch's CPU generator (mt19937) seeded with `s mod 2³²`, drawn in this order: the
//! noise, the class (drawn even when a fixed class replaces it, so that nothing after it moves), the churn noises.

use std::sync::Mutex;

use tch::{Device, Kind, Tensor};

/// torch has one CPU generator per process: a seed's draws must not interleave with another's.
static GENERATOR: Mutex<()> = Mutex::new(());

/// Runs `draws` on torch's CPU generator freshly seeded with `seed`, with nobody else drawing meanwhile.
pub fn with_seed<T>(seed: u64, draws: impl FnOnce() -> T) -> T {
    // A panic in someone else's draws leaves nothing behind that the new seed does not overwrite.
    let _held = GENERATOR.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    tch::manual_seed((seed & 0xffff_ffff) as i64);
    draws()
}

/// What to draw for each image.
#[derive(Clone, Debug)]
pub struct Draws {
    /// `[C, H, W]`.
    pub shape: [i64; 3],
    /// Number of classes; 0 draws none.
    pub label_dim: i64,
    /// Replaces the drawn class.
    pub class: Option<i64>,
    /// Number of steps in which churn adds noise.
    pub churn_steps: usize,
}

/// The draws of a batch of seeds, on the CPU.
#[derive(Debug)]
pub struct Noise {
    /// `[N, C, H, W]` float32, standard normal.
    pub noise: Tensor,
    /// `[N]` int64 class indices; none for an unconditional net.
    pub labels: Option<Tensor>,
    /// For each step with churn, `[N, C, H, W]` float32.
    pub churn: Vec<Tensor>,
}

impl Draws {
    /// Draws for `seeds`, in their order; each image depends on its own seed alone.
    ///
    /// # Panics
    /// When `seeds` is empty.
    pub fn of(&self, seeds: &[u64]) -> Noise {
        let images: Vec<_> = seeds.iter().map(|&seed| with_seed(seed, || self.draw())).collect();
        let labels: Vec<i64> = images.iter().filter_map(|image| image.label).collect();
        let stack = |k: usize| {
            Tensor::stack(&images.iter().map(|i| i.normals[k].shallow_clone()).collect::<Vec<_>>(), 0)
        };
        Noise {
            noise: stack(0),
            labels: (!labels.is_empty()).then(|| Tensor::from_slice(&labels)),
            churn: (1..=self.churn_steps).map(stack).collect(),
        }
    }

    fn draw(&self) -> ImageDraws {
        let normal = || Tensor::randn(self.shape, (Kind::Float, Device::Cpu));
        let mut normals = vec![normal()];
        let label = (self.label_dim > 0).then(|| {
            let drawn = Tensor::randint(self.label_dim, [1], (Kind::Int64, Device::Cpu)).int64_value(&[0]);
            self.class.unwrap_or(drawn)
        });
        normals.extend((0..self.churn_steps).map(|_| normal()));
        ImageDraws { normals, label }
    }
}

struct ImageDraws {
    normals: Vec<Tensor>,
    label: Option<i64>,
}
