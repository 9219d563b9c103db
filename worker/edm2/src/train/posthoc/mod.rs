//! Averages of any profile, made after training from the few that it left (EDM2, section 3.2 and appendix C).
//!
//! [`Reconstruction::plan`] reads names and finds the coefficients; [`Reconstruction::blend`] reads each snapshot once, for
//! all outputs together: its memory is that of the outputs and of one snapshot.

mod blend;
mod coefficients;
mod error;
mod plan;

pub use blend::{Difference, Step};
pub use coefficients::{Fit, fit};
pub use error::PosthocError;
pub use plan::{Output, Reconstruction};
