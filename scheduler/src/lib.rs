//! The control plane: turns a spec, or a [`dataset`], into a run, brings it to its end ([`conduct`]), folds what workers stored ([`reduce`]) into
//! statistics and distances ([`fidelis_metrics`], from and to the files of [`formats`]), and shows the result ([`report`], [`publish`], [`comparison`]); [`compare`] judges one run by another, [`regress`] tonight's images by an accepted baseline;
//! [`verify`] tells whether a stored run is what it says. It knows no tensor library. A fleet of this machine's own is [`fidelis_embedded`].

pub mod arithmetic;
pub mod cli;
pub mod compare;
pub mod comparison;
pub mod conduct;
pub mod dataset;
pub mod destination;
pub mod evaluate;
pub mod fit;
pub mod formats;
pub mod publish;
pub mod reduce;
pub mod regress;
pub mod report;
pub mod snapshots;
pub mod subset;
pub mod sweep;
pub mod training;
pub mod verify;
