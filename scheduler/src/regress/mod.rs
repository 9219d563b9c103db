//! Did last night break it? An accepted baseline ([`kept`], [`accept`], [`diff`]) holds what some seeds came to. A
//! [`night`] makes the images of the same seeds anew, by the programs and files of that night, and passes three gates:
//! the [`fingerprint`] (are protocol and machine the baseline's), the [`identity`] of images of the same seeds, and the
//! [`statistics`] of their distance. [`result`] is what it came to, in sentences its [`findings`], in files its [`files`].
//!
//! Runs are found again by their content, and the code that made them is no part of it: so each night's runs have names
//! of their own ([`cut`]), and nothing of another night counts as made.

pub mod accept;
pub mod cut;
pub mod diff;
mod error;
pub mod files;
pub mod findings;
pub mod fingerprint;
pub mod identity;
pub mod kept;
pub mod night;
mod reference;
pub mod result;
pub mod sample;
pub mod statistics;

pub use cut::Cut;
pub use error::RegressError;
pub use kept::Kept;
pub use night::{Night, Place};
pub use result::NightResult;
pub use sample::Sample;
