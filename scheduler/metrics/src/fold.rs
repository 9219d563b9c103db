//! Chunks of features into the moments of a whole run and of its seed blocks.

use std::ops::Range;

use faer::Mat;
use rayon::prelude::*;

use crate::MetricError;
use crate::moments::{Moments, MomentsError};

/// What the rows of a chunk are called in messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowNames {
    /// One seed per row.
    Seeds(Vec<u64>),
    /// Row numbers from this one on: the file names no seeds.
    From(u64),
}

impl RowNames {
    fn name(&self, row: usize) -> u64 {
        match self {
            Self::Seeds(seeds) => seeds.get(row).copied().unwrap_or(row as u64),
            Self::From(first) => first + row as u64,
        }
    }
}

/// Features of consecutive rows, float32 or float64 [n, dim] row-major, n ≥ 1.
#[derive(Clone, Debug, PartialEq)]
pub struct FeatureChunk<T = f32> {
    /// Row-major values.
    pub values: Vec<T>,
    /// Features per row.
    pub dim: usize,
    /// Names of the rows.
    pub names: RowNames,
}

/// The moments of all rows, and of each block of rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Folded {
    /// All rows, chunk moments merged strictly in chunk order.
    pub total: Moments,
    /// Contiguous blocks of near-equal size, for the error bar; empty below four rows.
    pub blocks: Vec<Moments>,
}

/// A fold in progress. The total depends on the chunks alone, neither on the blocks nor on the number of threads.
#[derive(Clone, Debug)]
pub struct Fold {
    /// Block b holds the rows bounds[b]..bounds[b + 1].
    bounds: Vec<u64>,
    total: Option<Moments>,
    blocks: Vec<Option<Moments>>,
    num_rows: u64,
    next_row: u64,
    /// Matrices of chunks that are merged, for the next ones: at 2,048 features each is 32 MiB.
    spare: Vec<Mat<f64>>,
}

/// One chunk's moments, and those of the blocks it touches; `None`: it lies in that block whole.
struct Measured {
    whole: Moments,
    pieces: Vec<(usize, Option<Moments>)>,
}

impl Measured {
    fn of_block(&self, block: usize) -> Option<&Moments> {
        let piece = self.pieces.iter().find(|(touched, _)| *touched == block);
        piece.map(|(_, moments)| moments.as_ref().unwrap_or(&self.whole))
    }
}

impl Fold {
    /// A fold of `num_rows` rows into at most `num_blocks` blocks of two rows or more.
    pub fn new(num_rows: u64, num_blocks: u64) -> Self {
        let num_blocks = Some(num_blocks.min(num_rows / 2)).filter(|&blocks| blocks >= 2).unwrap_or(0);
        let bound = |b: u64| (u128::from(b) * u128::from(num_rows) / u128::from(num_blocks.max(1))) as u64;
        Self {
            bounds: (0..=num_blocks).map(bound).collect(),
            total: None,
            blocks: vec![None; num_blocks as usize],
            num_rows,
            next_row: 0,
            spare: Vec::new(),
        }
    }

    /// How many chunks to hand over at once: enough to keep the cores busy and to go through the sums seldom, few enough to
    /// hold in memory (each has moments of dim² float64).
    pub fn wave() -> usize {
        (2 * rayon::current_num_threads()).clamp(1, 8)
    }

    /// Adds chunks, which continue where the last ones ended. Measured in parallel, merged in order.
    pub fn push<T: Copy + Into<f64> + Sync>(
        &mut self,
        chunks: &[FeatureChunk<T>],
    ) -> Result<(), MetricError> {
        let mut first = self.next_row;
        let mut starts = Vec::with_capacity(chunks.len());
        for chunk in chunks {
            starts.push(first);
            first += (chunk.values.len() / chunk.dim.max(1)) as u64;
        }
        if first > self.num_rows {
            return Err(MetricError::Rows { expected: self.num_rows, got: first });
        }
        let mut spare = std::mem::take(&mut self.spare);
        spare.resize_with(chunks.len(), Mat::new);
        let measured: Vec<Measured> = (starts.par_iter().zip(chunks).zip(spare))
            .map(|((&start, chunk), spare)| measure(&self.bounds, start, chunk, spare))
            .collect::<Result<_, _>>()?;
        self.merge(&measured)?;
        self.spare = measured.into_iter().map(|part| part.whole.into_scatter()).collect();
        self.next_row = first;
        Ok(())
    }

    fn merge(&mut self, measured: &[Measured]) -> Result<(), MetricError> {
        let Some(first) = measured.first() else { return Ok(()) };
        let expected = self.total.as_ref().unwrap_or(&first.whole).dim();
        if let Some(other) = measured.iter().find(|part| part.whole.dim() != expected) {
            return Err(MetricError::Width { expected, got: other.whole.dim() });
        }
        for (block, sum) in self.blocks.iter_mut().enumerate() {
            add(sum, &measured.iter().filter_map(|part| part.of_block(block)).collect::<Vec<_>>());
        }
        add(&mut self.total, &measured.iter().map(|part| &part.whole).collect::<Vec<_>>());
        Ok(())
    }

    /// The moments, once every row announced has come.
    pub fn finish(self) -> Result<Folded, MetricError> {
        match self.total {
            Some(total) if self.next_row == self.num_rows => {
                Ok(Folded { total, blocks: self.blocks.into_iter().flatten().collect() })
            }
            _ => Err(MetricError::Rows { expected: self.num_rows, got: self.next_row }),
        }
    }
}

fn add(sum: &mut Option<Moments>, parts: &[&Moments]) {
    match sum {
        Some(sum) => sum.merge_each(parts),
        None => *sum = Moments::merged(parts.iter().copied()),
    }
}

fn measure<T: Copy + Into<f64>>(
    bounds: &[u64],
    start: u64,
    chunk: &FeatureChunk<T>,
    spare: Mat<f64>,
) -> Result<Measured, MetricError> {
    let whole =
        Moments::within(&chunk.values, chunk.dim, spare).map_err(|error| named(error, &chunk.names))?;
    let rows = start..start + whole.count();
    let mut pieces = Vec::new();
    for (block, bound) in bounds.windows(2).enumerate() {
        let shared = rows.start.max(bound[0])..rows.end.min(bound[1]);
        if shared == rows {
            pieces.push((block, None));
        } else if !shared.is_empty() {
            let local: Range<usize> = (shared.start - start) as usize..(shared.end - start) as usize;
            let values = &chunk.values[local.start * chunk.dim..local.end * chunk.dim];
            pieces.push((block, Some(Moments::of(values, chunk.dim)?)));
        }
    }
    Ok(Measured { whole, pieces })
}

/// Says which seeds overflowed: the first eight, and how many there are.
pub(super) fn named(error: MomentsError, names: &RowNames) -> MetricError {
    let MomentsError::NonFinite { rows } = error else { return error.into() };
    let what = match names {
        RowNames::Seeds(_) => "seed",
        RowNames::From(_) => "row",
    };
    let list: Vec<String> = rows.iter().take(8).map(|&row| names.name(row).to_string()).collect();
    let plural = if rows.len() == 1 { "" } else { "s" };
    let more = if rows.len() > 8 { format!(" and {} more", rows.len() - 8) } else { String::new() };
    MetricError::NonFinite(format!("{what}{plural} `{}`{more}", list.join(",")))
}
