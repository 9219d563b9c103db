//! The paper's experiment: four ways from the same noisy points to samples.

use std::path::{Path, PathBuf};

use fidelis_figure::Figure;
use tch::Tensor;

use super::figure::{self, Pair, SIGMA, Shown};
use super::measure::Measured;
use super::mixture::Mixture;
use super::model::{Model, ModelError};
use super::sample::{Guided, SIGMA_MAX, Score, noisy};
use super::trainer::{ToyRecipe, ToyTrainer};
use super::tree::{Classes, ground_truth};
use crate::checkpoint::{TensorFile, TensorFileError};

/// Points of Figure 2.
const DETAIL_POINTS: i64 = 1 << 12;

/// The nets of the example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// D₁, which is guided.
    Main,
    /// D₀ of autoguidance.
    Autoguidance,
    /// D₀ of classifier-free guidance.
    Cfg,
}

impl Which {
    pub const ALL: [Self; 3] = [Self::Main, Self::Autoguidance, Self::Cfg];

    /// How the paper trains it.
    pub fn recipe(self) -> ToyRecipe {
        match self {
            Self::Main => ToyRecipe::MAIN,
            Self::Autoguidance => ToyRecipe::AUTOGUIDANCE,
            Self::Cfg => ToyRecipe::CFG,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::Autoguidance => "autoguidance",
            Self::Cfg => "cfg",
        }
    }
}

/// Whose score takes points to samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// The exact one.
    Truth,
    /// D₁'s.
    Unguided,
    /// D₁'s, guided away from the net of both classes with w = 4.
    Cfg,
    /// D₁'s, guided away from the worse net of the same class with w = 3.
    Autoguidance,
}

impl Way {
    pub const ALL: [Self; 4] = [Self::Truth, Self::Unguided, Self::Cfg, Self::Autoguidance];

    pub fn name(self) -> &'static str {
        match self {
            Self::Truth => "truth",
            Self::Unguided => "unguided",
            Self::Cfg => "cfg",
            Self::Autoguidance => "autoguidance",
        }
    }

    /// As a picture calls it.
    fn title(self) -> String {
        match self {
            Self::Truth => "exact score".to_owned(),
            Self::Unguided => "no guidance".to_owned(),
            Self::Cfg => format!("CFG, w = {}", self.weight()),
            Self::Autoguidance => format!("autoguidance, w = {}", self.weight()),
        }
    }

    /// w; 1 where there is no guidance.
    pub fn weight(self) -> f64 {
        match self {
            Self::Truth | Self::Unguided => 1.0,
            Self::Cfg => 4.0,
            Self::Autoguidance => 3.0,
        }
    }
}

/// Why a net of the example could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ToyNetError {
    #[error(transparent)]
    File(#[from] TensorFileError),
    #[error("cannot use `{path}`: {source}")]
    Model { path: PathBuf, source: ModelError },
}

fidelis_contract::usage_errors!(ToyNetError);

/// Reads a net that [`write()`] wrote.
///
/// # Errors
/// A file that cannot be read or holds no net of the example.
pub fn read(path: &Path) -> Result<Model, ToyNetError> {
    let file = TensorFile::read(path)?;
    Model::load(&file.tensors).map_err(|source| ToyNetError::Model { path: path.to_owned(), source })
}

/// Writes what training came to, the moving average of the weights.
///
/// # Errors
/// A file that cannot be written.
pub fn write(trainer: &ToyTrainer, path: &Path) -> Result<(), TensorFileError> {
    let tensors = trainer.average().iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone()));
    TensorFile { tensors: tensors.collect(), ..TensorFile::default() }.write(path)
}

/// One training of each net.
#[derive(Debug)]
pub struct Nets {
    pub main: Model,
    pub autoguidance: Model,
    pub cfg: Model,
}

impl Nets {
    /// Samples float32 `[points, 2]`; of one seed all ways begin at the same points.
    pub fn sample(&self, truth: &Mixture, way: Way, (points, seed): (i64, u64)) -> Tensor {
        let main = match way {
            Way::Truth => Score::Truth(truth),
            _ => Score::Net(&self.main),
        };
        let guide = match way {
            Way::Truth | Way::Unguided => None,
            Way::Cfg => Some((Score::Net(&self.cfg), way.weight())),
            Way::Autoguidance => Some((Score::Net(&self.autoguidance), way.weight())),
        };
        Guided { main, guide }.run(&noisy(truth, points, SIGMA_MAX, seed), SIGMA_MAX, |_| {})
    }

    /// Figure 1, of what [`Self::sample`] gave in the order of [`Way::ALL`].
    pub fn figure1(samples: &[(Tensor, Measured)]) -> Figure {
        let ways = Way::ALL.iter().zip(samples);
        let shown =
            ways.map(|(way, (samples, measured))| Shown { title: way.title(), samples, measured: *measured });
        figure::samples(&shown.collect::<Vec<_>>())
    }

    /// Figure 2.
    pub fn figure2(&self, seed: u64) -> Figure {
        let truth = ground_truth(Classes::A);
        let pair = Pair { main: &self.main, guide: &self.autoguidance, weight: Way::Autoguidance.weight() };
        figure::details(pair, &noisy(&truth, DETAIL_POINTS, SIGMA, seed))
    }
}
