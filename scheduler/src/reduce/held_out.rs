//! The floor at a run's own number of images: a distance depends on how many there are, so as many held-out features
//! are taken as the run has images.

use std::path::PathBuf;

use fidelis_contract::{
    ids::Digest,
    spec::{DetectorSpec, FileRef},
};
use fidelis_formats::stats::Statistics;
use fidelis_metrics::{FeatureChunk, Fold, RowNames};

use super::ReduceError;
use super::detector::computed;
use crate::formats::{FeatureFile, FormatError};

/// Rows read at once.
const CHUNK_ROWS: u64 = 256;

/// The statistics of `num_images` rows of a features file, or of all where it has no more.
pub(super) async fn fold(
    detector: &DetectorSpec,
    file: &FileRef,
    num_images: u64,
) -> Result<Statistics, ReduceError> {
    let (path, named) =
        (PathBuf::from(&file.path), format!("`held_out` of detector `{}`, `{}`", detector.name, file.path));
    let unreadable = |source: FormatError| ReduceError::Statistics { file: named.clone(), source };
    let found = Digest::of_file(&path).map_err(|error| unreadable(error.into()))?;
    if let Some(expected) = file.sha256.filter(|expected| *expected != found) {
        return Err(ReduceError::OtherStatistics { file: named, expected, found });
    }
    let mut features = FeatureFile::open(&path).map_err(unreadable)?;
    let rows = chosen(features.num_rows(), num_images);
    let mut fold = Fold::new(rows.len() as u64, 0);
    let mut rows = rows.as_slice();
    for first in (0..features.num_rows()).step_by(CHUNK_ROWS as usize) {
        let (ours, later) = rows.split_at(rows.partition_point(|&row| row < first + CHUNK_ROWS));
        rows = later;
        if !ours.is_empty() {
            let chunk = features.rows(first, CHUNK_ROWS).map_err(unreadable)?;
            let chunk = picked(&chunk, first, ours);
            fold = computed(&detector.name, move || fold.push(&[chunk]).map(|()| fold)).await?;
        }
    }
    computed(&detector.name, move || Ok(fold.finish()?.total.statistics()?)).await
}

/// `count` of `num_rows` rows, ascending: those whose numbers mix to the smallest. The first rows of a file are often of
/// one class; these are spread over all of it, and the same ones each time.
fn chosen(num_rows: u64, count: u64) -> Vec<u64> {
    let mut rows: Vec<u64> = (0..num_rows).collect();
    if count < num_rows {
        rows.sort_unstable_by_key(|&row| (mix(row), row));
        rows.truncate(count as usize);
        rows.sort_unstable();
    }
    rows
}

/// SplitMix64's finaliser.
fn mix(row: u64) -> u64 {
    let mut z = row.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The given rows of a chunk that begins with row `first`.
fn picked(chunk: &FeatureChunk<f64>, first: u64, rows: &[u64]) -> FeatureChunk<f64> {
    let row = |&row: &u64| {
        let at = (row - first) as usize * chunk.dim;
        chunk.values[at..at + chunk.dim].iter().copied()
    };
    let values = rows.iter().flat_map(row).collect();
    FeatureChunk { values, dim: chunk.dim, names: RowNames::Seeds(rows.to_vec()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_are_spread_and_always_the_same() {
        assert_eq!(chosen(5, 9), [0, 1, 2, 3, 4]);
        let rows = chosen(10_000, 2000);
        assert_eq!(rows, chosen(10_000, 2000));
        assert_eq!((rows.len(), rows.is_sorted()), (2000, true));
        for tenth in 0..10 {
            let there = rows.iter().filter(|&&row| row / 1000 == tenth).count();
            assert!((150..250).contains(&there), "{there} of the rows from {} on", tenth * 1000);
        }
    }
}
