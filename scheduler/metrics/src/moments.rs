//! Count, mean and scatter of feature rows, and Chan's rule for merging two of them.

use faer::linalg::matmul::triangular::{BlockStructure, matmul};
use faer::{Accum, Mat, MatRef, Par};
use fidelis_formats::stats::Statistics;
use rayon::prelude::*;

/// Moments of `count` rows of `dim` features. Merging is not associative in the last bits: whoever wants equal bits
/// (I3) merges the same parts in the same order, whatever threads computed them.
#[derive(Clone, Debug, PartialEq)]
pub struct Moments {
    count: u64,
    mean: Vec<f64>,
    /// Σ(f−mean)(f−mean)ᵀ, [dim, dim]; only the lower triangle is kept up to date.
    scatter: Mat<f64>,
}

/// Why there are no moments or statistics of some rows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MomentsError {
    /// Rows (numbered within the slice given) that hold an infinity or a NaN.
    #[error("non-finite features in {} rows, the first is row `{}`", rows.len(), rows[0])]
    NonFinite {
        /// Ascending row numbers; never empty.
        rows: Vec<usize>,
    },
    /// The slice does not divide into rows of `dim` features, or there are none.
    #[error("`{len}` values are not one or more rows of `{dim}` features")]
    Shape {
        /// Number of values given.
        len: usize,
        /// Features per row.
        dim: usize,
    },
    /// A covariance needs two images.
    #[error("`{count}` image has no covariance: evaluate at least 2")]
    TooFew {
        /// Number of images there are.
        count: u64,
    },
}

impl Moments {
    /// Moments of `values`, float32 or float64 [n, dim] row-major, n ≥ 1. Runs on the calling thread alone.
    pub fn of<T: Copy + Into<f64>>(values: &[T], dim: usize) -> Result<Self, MomentsError> {
        Self::within(values, dim, Mat::new())
    }

    /// As [`Moments::of`], in a matrix that nobody needs any more: pages that the system has given already.
    pub(super) fn within<T: Copy + Into<f64>>(
        values: &[T],
        dim: usize,
        mut scatter: Mat<f64>,
    ) -> Result<Self, MomentsError> {
        if dim == 0 || values.is_empty() || !values.len().is_multiple_of(dim) {
            return Err(MomentsError::Shape { len: values.len(), dim });
        }
        let rows: Vec<usize> = non_finite_rows(values, dim);
        if !rows.is_empty() {
            return Err(MomentsError::NonFinite { rows });
        }
        let count = values.len() / dim;
        let mut mean = vec![0.0; dim];
        for row in values.chunks_exact(dim) {
            mean.iter_mut().zip(row).for_each(|(sum, &f)| *sum += f.into());
        }
        mean.iter_mut().for_each(|sum| *sum /= count as f64);

        let mut centred = Vec::with_capacity(values.len());
        for row in values.chunks_exact(dim) {
            centred.extend(row.iter().zip(&mean).map(|(&f, m)| f.into() - m));
        }
        // Row-major [n, dim] is column-major [dim, n]: each row of features is a column here.
        let x = MatRef::from_column_major_slice(&centred, dim, count);
        if scatter.shape() != (dim, dim) {
            scatter = Mat::zeros(dim, dim);
        }
        matmul(
            scatter.as_mut(),
            BlockStructure::TriangularLower,
            Accum::Replace,
            x,
            BlockStructure::Rectangular,
            x.transpose(),
            BlockStructure::Rectangular,
            1.0,
            Par::Seq,
        );
        Ok(Self { count: count as u64, mean, scatter })
    }

    /// Adds the rows of `other` behind one's own (Chan, Golub and LeVeque's pairwise update).
    ///
    /// # Panics
    /// When the two have different numbers of features.
    pub fn merge(&mut self, other: &Self) {
        self.merge_each(&[other]);
    }

    /// Merges the parts one after the other, which reads and writes one's own scatter once.
    ///
    /// # Panics
    /// As [`Moments::merge`].
    pub(super) fn merge_each(&mut self, parts: &[&Self]) {
        let steps: Vec<Step<'_>> = parts.iter().map(|part| self.step(part)).collect();
        let columns: Vec<_> = self.scatter.as_mut().col_iter_mut().enumerate().collect();
        columns.into_par_iter().with_min_len(COLUMNS).for_each(|(j, column)| {
            let column = column.try_as_col_major_mut().expect("a matrix is column-major").as_slice_mut();
            steps.iter().for_each(|step| step.add_column(j, column));
        });
    }

    /// Counts the rows of `part` in, and says what its scatter is to be added with.
    fn step<'a>(&mut self, part: &'a Self) -> Step<'a> {
        assert_eq!(self.dim(), part.dim(), "moments of different feature widths");
        let (ours, theirs) = (self.count as f64, part.count as f64);
        let total = ours + theirs;
        let delta: Vec<f64> = part.mean.iter().zip(&self.mean).map(|(b, a)| b - a).collect();
        for (mean, d) in self.mean.iter_mut().zip(&delta) {
            *mean += d * (theirs / total);
        }
        self.count += part.count;
        Step { scatter: &part.scatter, delta, weight: ours * theirs / total }
    }

    /// The parts merged in the order given; `None` of nothing.
    pub fn merged<'a>(parts: impl IntoIterator<Item = &'a Self>) -> Option<Self> {
        let parts: Vec<&Self> = parts.into_iter().collect();
        let (first, rest) = parts.split_first()?;
        let mut total = (*first).clone();
        total.merge_each(rest);
        Some(total)
    }

    /// Mean of every feature.
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// Σ(f−mean)(f−mean)ᵀ, [dim, dim]; the upper triangle holds nothing.
    pub(super) fn scatter(&self) -> &Mat<f64> {
        &self.scatter
    }

    pub(super) fn into_scatter(self) -> Mat<f64> {
        self.scatter
    }

    /// Number of rows.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Features per row.
    pub fn dim(&self) -> usize {
        self.mean.len()
    }

    /// mu and the unbiased sigma (divided by n − 1).
    pub fn statistics(&self) -> Result<Statistics, MomentsError> {
        if self.count < 2 {
            return Err(MomentsError::TooFew { count: self.count });
        }
        let (dim, divisor) = (self.dim(), (self.count - 1) as f64);
        let mut sigma = vec![0.0; dim * dim];
        for j in 0..dim {
            for i in j..dim {
                let covariance = self.scatter[(i, j)] / divisor;
                sigma[i * dim + j] = covariance;
                sigma[j * dim + i] = covariance;
            }
        }
        Ok(Statistics { mu: self.mean.clone(), sigma, num_images: self.count, detector: None })
    }
}

/// Columns that are worth another thread.
const COLUMNS: usize = 64;

/// What is added to a scatter: that of a part, and weight · delta deltaᵀ.
struct Step<'a> {
    scatter: &'a Mat<f64>,
    /// The part's mean from that of all before it.
    delta: Vec<f64>,
    weight: f64,
}

impl Step<'_> {
    /// Column j of it, from the diagonal downwards.
    fn add_column(&self, j: usize, column: &mut [f64]) {
        let scale = self.weight * self.delta[j];
        let added = &self.scatter.col_as_slice(j)[j..];
        for ((sum, b), d) in column[j..].iter_mut().zip(added).zip(&self.delta[j..]) {
            *sum += b + d * scale;
        }
    }
}

pub(super) fn non_finite_rows<T: Copy + Into<f64>>(values: &[T], dim: usize) -> Vec<usize> {
    let rows = values.chunks_exact(dim).enumerate();
    rows.filter(|(_, row)| row.iter().any(|&f| !f.into().is_finite())).map(|(i, _)| i).collect()
}
