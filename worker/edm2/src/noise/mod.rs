//! What a seed alone decides about its image: initial noise, class and churn noises (D1).
//!
//! Each seed has its own stream, drawn in this order: the noise, the class (drawn even when another class replaces
//! it, so that nothing after it moves), the churn noises.
//!
//! Of `cuda`, the normal values agree with published ones; that the class is drawn second (`x mod label_dim` of element 0,
//! draw 1) and churn after it is known on paper only: no GPU was at hand.

mod classes;
mod mt19937;
mod philox;

use fidelis_contract::spec::NoiseMode;
use tch::Tensor;

pub use classes::{Classes, ClassesError};
pub use mt19937::with_seed;
pub(crate) use philox::{block, box_muller};

/// A draw that this stream does not define.
#[derive(Debug, thiserror::Error)]
#[error(
    "noise of `cuda` is defined for at most {max} values per image, this net takes {found}: use the noise mode `cpu`",
    max = philox::MAX_ELEMENTS
)]
pub struct NoiseError {
    found: usize,
}

/// What to draw for each image.
#[derive(Clone, Debug)]
pub struct Draws {
    pub stream: NoiseMode,
    /// `[C, H, W]`.
    pub shape: [i64; 3],
    /// Number of classes; 0 draws none.
    pub label_dim: i64,
    pub classes: Classes,
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
    /// Checks that the stream defines these draws and the net has these classes.
    pub fn check(&self) -> Result<(), DrawsError> {
        let found = self.shape.iter().product::<i64>() as usize;
        if self.stream == NoiseMode::Cuda && found > philox::MAX_ELEMENTS {
            return Err(NoiseError { found }.into());
        }
        Ok(self.classes.check(self.label_dim)?)
    }

    /// Draws for `seeds`, in their order; each image depends on its own seed alone.
    ///
    /// # Panics
    /// When `seeds` is empty.
    pub fn of(&self, seeds: &[u64]) -> Noise {
        let images: Vec<_> = seeds.iter().map(|&seed| self.draw(seed)).collect();
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

    fn draw(&self, seed: u64) -> ImageDraws {
        let ImageDraws { normals, label } = match self.stream {
            NoiseMode::Cpu => mt19937::draw(seed, self),
            NoiseMode::Cuda => self.draw_philox(seed),
        };
        ImageDraws { normals, label: label.map(|drawn| self.classes.of(seed, drawn, self.label_dim)) }
    }

    fn draw_philox(&self, seed: u64) -> ImageDraws {
        let label = (self.label_dim > 0).then(|| philox::class(seed, 1, self.label_dim));
        let first_churn = if label.is_some() { 2 } else { 1 };
        let churn = (0..self.churn_steps as u32).map(|k| first_churn + k);
        let normals = [0].into_iter().chain(churn).map(|k| philox::normal(seed, k, self.shape)).collect();
        ImageDraws { normals, label }
    }
}

/// Why draws were refused.
#[derive(Debug, thiserror::Error)]
pub enum DrawsError {
    #[error(transparent)]
    Noise(#[from] NoiseError),
    #[error(transparent)]
    Classes(#[from] ClassesError),
}

/// One image's stream: the noise and the churn noises, and the class that was drawn.
struct ImageDraws {
    normals: Vec<Tensor>,
    label: Option<i64>,
}
