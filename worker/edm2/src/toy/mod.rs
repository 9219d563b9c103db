//! The 2D example of autoguidance (arXiv 2406.02507, section 3): a density that is known exactly, nets that learn its
//! score, and what guidance does to their samples.
//!
//! - [`tree`], [`mixture`]: the ground truth, with its density and score in closed form
//! - [`model`], [`trainer`], [`mod@replay`]: the nets
//! - [`sample`], [`measure`]: points, and how many of them are where they should be
//! - [`figure`]: the paper's pictures
//! - [`experiment`]: all of it

mod derivative;
pub mod experiment;
pub mod figure;
mod legacy_random;
pub mod measure;
pub mod mixture;
pub mod model;
pub mod replay;
pub mod sample;
pub mod trainer;
pub mod tree;

pub use experiment::{Nets, ToyNetError, Way, Which};
pub use measure::{Measured, Measures};
pub use mixture::Mixture;
pub use model::{Model, ModelError};
pub use replay::{ToyReplayError, replay};
pub use sample::Guided;
pub use trainer::{ToyRecipe, ToyTrainer};
pub use tree::{Classes, ground_truth};
