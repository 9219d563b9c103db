//! Sweeps: many runs of one base spec, looked at with few images first and with all of them where it is worth it.
//!
//! A cell is an ordinary run. A look makes its first chunks and no more, so that nothing is thrown away: a cell that is
//! stopped is a run that is not complete, and submitting it goes on from there. All cells have the same seeds, and so the
//! difference between two of them is known much better than either (`halving`).
//!
//! The [`table`](fidelis_contract::sweep::Table) is a function of the sweep's spec and of what is stored: whoever was
//! killed, and however often, the same command comes to the same bytes.

mod cancel;
mod conduct;
mod error;
mod halving;
mod prepare;
mod publish;
mod standing;

pub use cancel::cancel;
pub use conduct::{Until, conduct};
pub use error::SweepRunError;
pub use prepare::{Cell, Sweep, SweepRequest, prepare};
pub use publish::{File, renderings, write};
