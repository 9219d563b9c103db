//! The control plane: what turns a spec into a run, watches it, folds what workers stored into statistics and
//! distances ([`metrics`], from and to the files of [`formats`]), and shows the result.

pub mod evaluate;
pub mod formats;
pub mod local;
pub mod metrics;
pub mod reduce;
pub mod report;
