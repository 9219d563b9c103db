//! Files with features. What other houses write is read by [`fidelis_formats`].

pub mod features;

pub use features::FeatureFile;
pub use fidelis_formats::FormatError;
