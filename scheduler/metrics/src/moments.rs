//! Count, mean and scatter of feature rows, and Chan's rule for merging two of them.

use fidelis_formats::stats::Statistics;
use rayon::prelude::*;

use crate::linalg::{Panels, Part, Share, add};

/// Moments of `count` rows of `dim` features. Merging is not associative in the last bits: whoever wants equal bits
/// (I3) merges the same parts in the same order, whatever threads computed them.
#[derive(Clone, Debug, PartialEq)]
pub struct Moments {
    count: u64,
    mean: Vec<f64>,
    /// Σ(f−mean)(f−mean)ᵀ, [dim, dim]; only the lower triangle is kept up to date.
    scatter: Panels<f64>,
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
    /// Moments of `values`, float32 or float64 [n, dim] row-major, n ≥ 1.
    pub fn of<T: Copy + Into<f64>>(values: &[T], dim: usize) -> Result<Self, MomentsError> {
        let mut moments = Self::nothing(dim);
        Self::add_rows(&mut [&mut moments], &[(&Rows::none().filled(values, dim)?, vec![0])]);
        Ok(moments)
    }

    /// Of no rows.
    pub(super) fn nothing(dim: usize) -> Self {
        Self { count: 0, mean: vec![0.0; dim], scatter: Panels::zeros(dim, dim) }
    }

    /// Adds rows to some of the sums each, one after the other, as merging their moments would. The scatter of no rows is
    /// ever in memory alone, and the sums are read and written once.
    ///
    /// # Panics
    /// As [`Moments::merge`].
    pub(super) fn add_rows(sums: &mut [&mut Self], parts: &[(&Rows, Vec<usize>)]) {
        let parts: Vec<Part<'_>> = parts
            .iter()
            .map(|(rows, of)| {
                let share = |&sum: &usize| {
                    let Step { delta, weight } = sums[sum].step(rows.count(), &rows.mean);
                    Share { sum, delta: packed(&delta), weight }
                };
                Part { shares: of.iter().map(share).collect(), centred: &rows.centred }
            })
            .collect();
        let mut scatters: Vec<&mut Panels<f64>> = sums.iter_mut().map(|sum| &mut sum.scatter).collect();
        add(&mut scatters, &parts);
    }

    /// Adds the rows of `other` behind one's own (Chan, Golub and LeVeque's pairwise update).
    ///
    /// # Panics
    /// When the two have different numbers of features.
    pub fn merge(&mut self, other: &Self) {
        self.merge_each(&[other]);
    }

    /// Merges the parts one after the other, which reads and writes one's own scatter once.
    fn merge_each(&mut self, parts: &[&Self]) {
        let steps: Vec<(&Self, Step)> =
            parts.iter().map(|part| (*part, self.step(part.count, &part.mean))).collect();
        let stride = self.scatter.stride();
        let panels = self.scatter.packs_mut().par_chunks_mut(stride.max(1)).enumerate();
        panels.for_each(|(panel, packs)| {
            for (part, step) in &steps {
                step.add_panel(panel, packs, part.scatter.panel(panel));
            }
        });
    }

    /// Counts rows in, and says what is to be added to the scatter beside theirs.
    fn step(&mut self, count: u64, mean: &[f64]) -> Step {
        assert_eq!(self.dim(), mean.len(), "moments of different feature widths");
        let (ours, theirs) = (self.count as f64, count as f64);
        let total = ours + theirs;
        let delta: Vec<f64> = mean.iter().zip(&self.mean).map(|(b, a)| b - a).collect();
        for (mean, d) in self.mean.iter_mut().zip(&delta) {
            *mean += d * (theirs / total);
        }
        self.count += count;
        Step { delta, weight: ours * theirs / total }
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
    pub(super) fn scatter(&self) -> &Panels<f64> {
        &self.scatter
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
        // Row i of the lower triangle is column i of the upper one: a block of both at a time.
        for (panel, first) in (0..dim).step_by(WIDTH).enumerate() {
            let packs = self.scatter.panel(panel);
            let rows = first..(first + WIDTH).min(dim);
            for (j, pack) in packs[..rows.end].iter().enumerate() {
                for (i, scatter) in rows.clone().zip(pack).skip(j.saturating_sub(first)) {
                    let covariance = scatter / divisor;
                    sigma[i * dim + j] = covariance;
                    sigma[j * dim + i] = covariance;
                }
            }
        }
        Ok(Statistics { mu: self.mean.clone(), sigma, num_images: self.count, detector: None })
    }
}

/// Numbers of a pack.
const WIDTH: usize = 8;

/// Rows about their mean.
#[derive(Clone, Debug)]
pub(super) struct Rows {
    mean: Vec<f64>,
    /// [dim, rows].
    centred: Panels<f64>,
}

impl Rows {
    pub(super) fn none() -> Self {
        Self { mean: Vec::new(), centred: Panels::zeros(0, 0) }
    }

    /// Of `values`, float32 or float64 [n, dim] row-major, n ≥ 1, in the memory of rows that nobody needs any more: pages
    /// that the system has given already. Runs on the calling thread alone.
    pub(super) fn filled<T: Copy + Into<f64>>(self, values: &[T], dim: usize) -> Result<Self, MomentsError> {
        let Self { mut mean, mut centred } = self;
        if dim == 0 || values.is_empty() || !values.len().is_multiple_of(dim) {
            return Err(MomentsError::Shape { len: values.len(), dim });
        }
        let rows: Vec<usize> = non_finite_rows(values, dim);
        if !rows.is_empty() {
            return Err(MomentsError::NonFinite { rows });
        }
        let count = values.len() / dim;
        mean.clear();
        mean.resize(dim, 0.0);
        for row in values.chunks_exact(dim) {
            mean.iter_mut().zip(row).for_each(|(sum, &f)| *sum += f.into());
        }
        mean.iter_mut().for_each(|sum| *sum /= count as f64);
        if (centred.rows(), centred.columns()) != (dim, count) {
            centred = Panels::zeros(dim, count);
        }
        let stride = centred.stride();
        // A few panels at a time, which are a few cache lines of each row.
        for (group, panels) in centred.packs_mut().chunks_mut(stride * WIDTH).enumerate() {
            for (k, row) in values.chunks_exact(dim).enumerate() {
                let begin = group * WIDTH * WIDTH;
                let row = row[begin..].chunks(WIDTH).zip(mean[begin..].chunks(WIDTH));
                for (panel, (row, mean)) in panels.chunks_mut(stride).zip(row) {
                    let values = row.iter().zip(mean);
                    panel[k].iter_mut().zip(values).for_each(|(to, (&f, m))| *to = f.into() - m);
                }
            }
        }
        Ok(Self { mean, centred })
    }

    pub(super) fn count(&self) -> u64 {
        self.centred.columns() as u64
    }

    pub(super) fn dim(&self) -> usize {
        self.mean.len()
    }
}

/// What is added to a scatter beside that of a part: weight · delta deltaᵀ.
struct Step {
    /// The part's mean from that of all before it.
    delta: Vec<f64>,
    weight: f64,
}

impl Step {
    /// A panel of a part's scatter, up to the diagonal.
    fn add_panel(&self, panel: usize, packs: &mut [[f64; WIDTH]], added: &[[f64; WIDTH]]) {
        let first = panel * WIDTH;
        let mut across = [0.0; WIDTH];
        across.iter_mut().zip(&self.delta[first..]).for_each(|(to, d)| *to = *d);
        for ((sums, added), d) in
            packs.iter_mut().zip(added).zip(&self.delta[..self.delta.len().min(first + WIDTH)])
        {
            let scale = self.weight * d;
            for ((sum, b), d) in sums.iter_mut().zip(added).zip(&across) {
                *sum += b + d * scale;
            }
        }
    }
}

fn packed(values: &[f64]) -> Vec<[f64; WIDTH]> {
    let pack = |part: &[f64]| std::array::from_fn(|i| part.get(i).copied().unwrap_or_default());
    values.chunks(WIDTH).map(pack).collect()
}

pub(super) fn non_finite_rows<T: Copy + Into<f64>>(values: &[T], dim: usize) -> Vec<usize> {
    let rows = values.chunks_exact(dim).enumerate();
    rows.filter(|(_, row)| row.iter().any(|&f| !f.into().is_finite())).map(|(i, _)| i).collect()
}
