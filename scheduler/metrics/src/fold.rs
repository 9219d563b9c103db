//! Chunks of features into the moments of a whole run and of its seed blocks.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use rayon::prelude::*;

use crate::MetricError;
use crate::moments::{Moments, MomentsError, Rows};

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
    /// Memory of chunks that were added, for the next ones.
    spare: Vec<Rows>,
}

/// One chunk's rows, and those of the blocks it touches; `None`: it lies in that block whole.
struct Centred {
    whole: Rows,
    pieces: Vec<(usize, Option<Rows>)>,
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
    /// hold in memory, twice in float64.
    pub fn wave() -> usize {
        (2 * rayon::current_num_threads()).clamp(1, 8)
    }

    /// Adds chunks, which continue where the last ones ended: one after the other, on all cores.
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
        spare.resize_with(chunks.len(), Rows::none);
        let centred: Vec<Centred> = (starts.par_iter().zip(chunks).zip(spare))
            .map(|((&start, chunk), spare)| centred(&self.bounds, start, chunk, spare))
            .collect::<Result<_, _>>()?;
        self.add(&centred)?;
        self.spare = centred.into_iter().map(|chunk| chunk.whole).collect();
        self.next_row = first;
        Ok(())
    }

    fn add(&mut self, chunks: &[Centred]) -> Result<(), MetricError> {
        let Some(first) = chunks.first() else { return Ok(()) };
        let dim = self.total.as_ref().map_or(first.whole.dim(), Moments::dim);
        if let Some(other) = chunks.iter().find(|chunk| chunk.whole.dim() != dim) {
            return Err(MetricError::Width { expected: dim, got: other.whole.dim() });
        }
        let mut sums = vec![self.total.get_or_insert_with(|| Moments::nothing(dim))];
        let mut place = BTreeMap::new();
        let touched: BTreeSet<usize> =
            chunks.iter().flat_map(|chunk| &chunk.pieces).map(|(block, _)| *block).collect();
        for (block, sum) in self.blocks.iter_mut().enumerate().filter(|(block, _)| touched.contains(block)) {
            place.insert(block, sums.len());
            sums.push(sum.get_or_insert_with(|| Moments::nothing(dim)));
        }
        let mut parts: Vec<(&Rows, Vec<usize>)> = Vec::new();
        for Centred { whole, pieces } in chunks {
            let wholly = pieces.iter().filter(|(_, rows)| rows.is_none()).map(|(block, _)| place[block]);
            parts.push((whole, std::iter::once(0).chain(wholly).collect()));
            let some = pieces.iter().filter_map(|(block, rows)| Some((rows.as_ref()?, vec![place[block]])));
            parts.extend(some);
        }
        Moments::add_rows(&mut sums, &parts);
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

fn centred<T: Copy + Into<f64>>(
    bounds: &[u64],
    start: u64,
    chunk: &FeatureChunk<T>,
    spare: Rows,
) -> Result<Centred, MetricError> {
    let whole = spare.filled(&chunk.values, chunk.dim).map_err(|error| named(error, &chunk.names))?;
    let rows = start..start + whole.count();
    let mut pieces = Vec::new();
    for (block, bound) in bounds.windows(2).enumerate() {
        let shared = rows.start.max(bound[0])..rows.end.min(bound[1]);
        if shared == rows {
            pieces.push((block, None));
        } else if !shared.is_empty() {
            let local: Range<usize> = (shared.start - start) as usize..(shared.end - start) as usize;
            let values = &chunk.values[local.start * chunk.dim..local.end * chunk.dim];
            pieces.push((block, Some(Rows::none().filled(values, chunk.dim)?)));
        }
    }
    Ok(Centred { whole, pieces })
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
