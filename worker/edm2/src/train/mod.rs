//! The trainer of nets (EDM2, arXiv 2312.02696, sections 2 and 3) and of the demo's detector.
//!
//! - [`NoiseLevels`], [`LrSchedule`], [`profile`]: loss, learning rate and averaging profiles, each a formula
//! - [`Learner`]: what one step does to weights, optimiser and moving averages
//! - [`Images`]: where images come from, [`InMemory`] or a [`Feed`] of files
//! - [`Recipe`], [`Trainer`]: a run of steps, a pure function of recipe and images, resumable
//! - [`Ranks`], [`Share`]: several processes that train one net
//! - [`Session`], [`Outdir`]: a run and its files, and where they lie
//! - [`replay`]: recorded steps, taken again
//! - [`snapshots`], [`posthoc`]: the averages that training leaves, and those that are made of them afterwards
//! - [`detector`]: the demo's classifier

mod adam;
mod batches;
mod clean;
pub mod detector;
mod ema;
mod feed;
mod files;
mod images;
mod learner;
mod loss;
mod outdir;
pub mod posthoc;
mod presets;
pub mod profile;
mod ranks;
mod recipe;
mod replay;
mod scaling;
mod schedule;
mod session;
pub mod snapshots;
mod state;
mod stats;
mod trainer;

pub(crate) use adam::{Adam, prefixed};
pub(crate) use batches::mixed;
pub(crate) use ema::Ema;
pub use feed::Feed;
pub use images::{Images, InMemory, Stored};
pub use learner::{Gradients, Learner, Losses, Moment};
pub use loss::{Batch, NoiseLevels, StepDraws};
pub use outdir::{Folder, Outdir, OutdirError};
pub use presets::{PresetError, preset, preset_names};
pub use profile::{MAX_SIGMA_REL, sigma_rel_to_gamma};
pub use ranks::{Ranks, Share};
pub use recipe::{Recipe, RecipeError};
pub(crate) use replay::under;
pub use replay::{ReplayError, replay};
pub use scaling::LossScale;
pub use schedule::LrSchedule;
pub use session::Session;
pub use stats::{Progress, SigmaLoss};
pub use trainer::{Taken, TrainError, Trainer};
