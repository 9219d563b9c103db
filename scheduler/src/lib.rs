//! The control plane: turns a spec, or a [`dataset`], whose files [`fit`] into a run ([`submit`]), watches it ([`watch`]), folds what workers stored
//! ([`reduce`]) into statistics and distances ([`metrics`], from and to the files of [`formats`]), and shows the
//! result ([`report`], [`comparison`]); [`compare`] judges one run by another; [`verify`] tells whether a stored run is what it says. It knows no tensor library. A fleet of this machine's own is [`fidelis_embedded`].

pub mod arithmetic;
pub mod cli;
pub mod compare;
pub mod comparison;
pub mod dataset;
pub mod destination;
pub mod evaluate;
pub mod fit;
pub mod formats;
pub mod metrics;
pub mod namesake;
pub mod random;
pub mod reduce;
pub mod report;
pub mod submit;
pub mod subset;
pub mod verify;
pub mod watch;
