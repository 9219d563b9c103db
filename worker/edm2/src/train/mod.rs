//! The trainer of nets (EDM2, arXiv 2312.02696, section 2 and appendix C) and of the demo's detector.

mod adam;
mod batches;
pub mod detector;
mod ema;
mod recipe;
mod schedule;
mod trainer;

pub use ema::sigma_rel_to_gamma;
pub use recipe::{Recipe, RecipeError};
pub use trainer::{TrainError, Trainer};
