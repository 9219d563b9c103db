//! Features of a file as the fold takes them.

use std::path::Path;

use fidelis_formats::features;
use fidelis_metrics::{FeatureChunk, RowNames};

use super::FormatError;

/// An open features file.
#[derive(Debug)]
pub struct FeatureFile(features::FeatureFile);

impl FeatureFile {
    /// Opens a file and checks that it is whole; reads no features yet.
    pub fn open(path: &Path) -> Result<Self, FormatError> {
        features::FeatureFile::open(path).map(Self)
    }

    /// N.
    pub fn num_rows(&self) -> u64 {
        self.0.num_rows()
    }

    /// D.
    pub fn dim(&self) -> usize {
        self.0.dim()
    }

    /// Whose features they are, where the file says.
    pub fn detector(&self) -> Option<&str> {
        self.0.detector()
    }

    /// One class per row, where the file says.
    pub fn labels(&self) -> Option<&[i64]> {
        self.0.labels()
    }

    /// The `count` rows from row `first` on, fewer at the end.
    pub fn rows(&mut self, first: u64, count: u64) -> Result<FeatureChunk<f64>, FormatError> {
        self.rows_within(first, count, Vec::new())
    }

    /// The same in memory that nobody needs any more.
    pub fn rows_within(
        &mut self,
        first: u64,
        count: u64,
        values: Vec<f64>,
    ) -> Result<FeatureChunk<f64>, FormatError> {
        let (values, dim) = (self.0.rows_within(first, count, values)?, self.0.dim());
        let rows = first as usize..first as usize + values.len() / dim;
        let names = match self.0.seeds().and_then(|seeds| seeds.get(rows)) {
            Some(seeds) => RowNames::Seeds(seeds.to_vec()),
            None => RowNames::From(first),
        };
        Ok(FeatureChunk { values, dim, names })
    }
}
