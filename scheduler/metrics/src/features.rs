//! The features of a set of images in memory, for the metrics that compare images with images.

use crate::MetricError;
use crate::fold::{FeatureChunk, Fold, Folded, RowNames, named};
use crate::moments::{MomentsError, non_finite_rows};

/// Features, float32 [n, dim] row-major, every one finite: n·dim·4 bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct FeatureSet {
    values: Vec<f32>,
    dim: usize,
    seeds: Vec<u64>,
    labels: Vec<i64>,
    /// Row after each chunk's last, as the chunks came.
    ends: Vec<usize>,
}

impl FeatureSet {
    /// A set of no images yet.
    pub fn new(dim: usize) -> Self {
        Self { values: Vec::new(), dim, seeds: Vec::new(), labels: Vec::new(), ends: Vec::new() }
    }

    /// A set of unnamed images in one chunk.
    ///
    /// # Errors
    /// As [`FeatureSet::push`].
    pub fn of(values: Vec<f32>, dim: usize) -> Result<Self, MetricError> {
        let mut set = Self::new(dim);
        set.push(FeatureChunk { values, dim, names: RowNames::From(0) }, None)?;
        Ok(set)
    }

    /// Adds the rows of a chunk, and the class of each where it is known.
    ///
    /// # Errors
    /// Features that are not finite, or of another width than those before.
    pub fn push(&mut self, chunk: FeatureChunk, labels: Option<&[i64]>) -> Result<(), MetricError> {
        let FeatureChunk { values, dim, names } = chunk;
        if dim != self.dim {
            return Err(MetricError::Width { expected: self.dim, got: dim });
        }
        if dim == 0 || !values.len().is_multiple_of(dim) {
            return Err(MomentsError::Shape { len: values.len(), dim }.into());
        }
        let rows = non_finite_rows(&values, dim);
        if !rows.is_empty() {
            return Err(named(MomentsError::NonFinite { rows }, &names));
        }
        if let RowNames::Seeds(seeds) = names {
            self.seeds.extend(seeds);
        }
        self.labels.extend(labels.unwrap_or_default());
        if self.values.is_empty() {
            self.values = values;
        } else {
            self.values.extend_from_slice(&values);
        }
        self.ends.push(self.num_rows());
        Ok(())
    }

    /// n.
    pub fn num_rows(&self) -> usize {
        self.values.len().checked_div(self.dim).unwrap_or(0)
    }

    /// Features per image.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// All values, row-major.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The features of one image.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.dim..(row + 1) * self.dim]
    }

    /// The seed of an image, or its place where seeds are not known.
    pub fn name(&self, row: usize) -> u64 {
        match self.has_seeds() {
            true => self.seeds[row],
            false => row as u64,
        }
    }

    /// The seed of every image; `None` where they are not known.
    pub fn seeds(&self) -> Option<&[u64]> {
        self.has_seeds().then_some(&self.seeds[..])
    }

    /// The class of every image; `None` where they are not known of all.
    pub fn labels(&self) -> Option<&[i64]> {
        (self.labels.len() == self.num_rows() && !self.labels.is_empty()).then_some(&self.labels[..])
    }

    /// The rows of these numbers, in their order.
    pub fn gathered(&self, rows: &[u32]) -> Vec<f32> {
        let mut values = Vec::with_capacity(rows.len() * self.dim);
        rows.iter().for_each(|&row| values.extend_from_slice(self.row(row as usize)));
        values
    }

    /// The moments, chunk by chunk as they came: the bits are those of a run's own statistics (I3).
    ///
    /// # Errors
    /// There are no images.
    pub fn folded(&self, num_blocks: u64) -> Result<Folded, MetricError> {
        let mut fold = Fold::new(self.num_rows() as u64, num_blocks);
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let chunks: Vec<(usize, usize)> =
            starts.zip(self.ends.iter().copied()).filter(|(a, b)| a < b).collect();
        for wave in chunks.chunks(Fold::wave()) {
            let chunk = |&(first, end): &(usize, usize)| FeatureChunk {
                values: self.values[first * self.dim..end * self.dim].to_vec(),
                dim: self.dim,
                names: RowNames::From(first as u64),
            };
            fold.push(&wave.iter().map(chunk).collect::<Vec<_>>())?;
        }
        fold.finish()
    }

    fn has_seeds(&self) -> bool {
        self.seeds.len() == self.num_rows() && !self.seeds.is_empty()
    }
}
