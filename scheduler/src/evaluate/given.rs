//! One side of a comparison: a file of features or statistics, or the features that a run stored.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fidelis_formats::stats::{self, Kind, Statistics};
use fidelis_metrics::{FeatureChunk, FeatureSet, Fold, Folded, JACKKNIFE_BLOCKS};

use super::EvaluateError;
use crate::formats::FeatureFile;

/// Rows per chunk, as a run's default: the same features give the same bits here and there.
const CHUNK_ROWS: u64 = 256;

/// What is compared.
#[derive(Clone, Debug)]
pub enum Given {
    /// Features or statistics: the content decides.
    File(PathBuf),
    /// Features out of a store.
    Run(Arc<StoredFeatures>),
}

/// One detector's features of a complete run.
#[derive(Debug)]
pub struct StoredFeatures {
    /// The run's id: what messages call it.
    pub run: PathBuf,
    /// By which detector.
    pub detector: String,
    /// In the plan's order.
    pub features: FeatureSet,
}

/// Statistics, and where they are of features the moments of those and of blocks of them.
#[derive(Debug)]
pub(super) struct Summary {
    pub(super) statistics: Statistics,
    pub(super) folded: Option<Folded>,
}

impl From<PathBuf> for Given {
    fn from(path: PathBuf) -> Self {
        Self::File(path)
    }
}

impl Given {
    /// What messages call it.
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::File(path) => path,
            Self::Run(stored) => &stored.run,
        }
    }

    /// What it holds; [`Kind::None`] is features.
    pub(super) fn kind(&self) -> Result<Kind, EvaluateError> {
        match self {
            Self::File(path) => stats::kind_of(path).map_err(EvaluateError::file(path)),
            Self::Run(_) => Ok(Kind::None),
        }
    }

    /// Its statistics; `detector` chooses among those of a `.pkl`. Of features with moments of blocks, if asked.
    pub(super) fn summary(&self, detector: Option<&str>, blocks: bool) -> Result<Summary, EvaluateError> {
        let num_blocks = if blocks { JACKKNIFE_BLOCKS } else { 0 };
        let (folded, detector) = match self {
            Self::File(path) if self.kind()? == Kind::None => fold(path, num_blocks)?,
            Self::File(path) => {
                return Ok(Summary { statistics: decode(path, detector)?, folded: None });
            }
            Self::Run(stored) => {
                let folded =
                    stored.features.folded(num_blocks).map_err(EvaluateError::metric(self.path()))?;
                (folded, Some(stored.detector.clone()))
            }
        };
        let statistics = folded.total.statistics().map_err(EvaluateError::metric(self.path()))?;
        Ok(Summary { statistics: Statistics { detector, ..statistics }, folded: Some(folded) })
    }

    /// Its features, all in memory, and whose they are where it says; `None` where it holds statistics.
    pub(super) fn features(&self) -> Result<Option<Features<'_>>, EvaluateError> {
        match self {
            Self::Run(stored) => {
                let (set, detector) = (Cow::Borrowed(&stored.features), Some(stored.detector.clone()));
                Ok(Some(Features { set, detector }))
            }
            Self::File(_) if self.kind()? != Kind::None => Ok(None),
            Self::File(path) => {
                let mut file = FeatureFile::open(path).map_err(EvaluateError::file(path))?;
                let set = in_memory(&mut file, path)?;
                Ok(Some(Features { set: Cow::Owned(set), detector: file.detector().map(str::to_owned) }))
            }
        }
    }
}

/// Features, and whose they are where that is known.
#[derive(Debug)]
pub(super) struct Features<'a> {
    pub(super) set: Cow<'a, FeatureSet>,
    pub(super) detector: Option<String>,
}

/// Statistics of a file: read from `.npz` or `.pkl`, or folded from features. `detector` chooses among those of a
/// `.pkl`; the content decides which kind of file it is.
pub fn load(path: &Path, detector: Option<&str>) -> Result<Statistics, EvaluateError> {
    Ok(Given::from(path.to_owned()).summary(detector, false)?.statistics)
}

fn decode(path: &Path, detector: Option<&str>) -> Result<Statistics, EvaluateError> {
    let read = stats::read(path).and_then(|bytes| stats::decode(&bytes, detector));
    read.map_err(EvaluateError::file(path))
}

fn fold(path: &Path, num_blocks: u64) -> Result<(Folded, Option<String>), EvaluateError> {
    let mut file = FeatureFile::open(path).map_err(EvaluateError::file(path))?;
    let mut fold = Fold::new(file.num_rows(), num_blocks);
    let mut starts = (0..file.num_rows()).step_by(CHUNK_ROWS as usize);
    let mut spare: Vec<Vec<f64>> = Vec::new();
    let mut read = |spare: &mut Vec<Vec<f64>>| -> Result<Vec<FeatureChunk<f64>>, _> {
        let mut rows = |first| file.rows_within(first, CHUNK_ROWS, spare.pop().unwrap_or_default());
        let wave = starts.by_ref().take(Fold::wave()).map(&mut rows);
        wave.collect::<Result<_, _>>().map_err(EvaluateError::file(path))
    };
    let mut wave = read(&mut spare)?;
    while !wave.is_empty() {
        let (folded, next) = rayon::join(|| fold.push(&wave), || read(&mut spare));
        folded.map_err(EvaluateError::metric(path))?;
        spare.extend(wave.into_iter().map(|chunk| chunk.values));
        wave = next?;
    }
    let folded = fold.finish().map_err(EvaluateError::metric(path))?;
    Ok((folded, file.detector().map(str::to_owned)))
}

fn in_memory(file: &mut FeatureFile, path: &Path) -> Result<FeatureSet, EvaluateError> {
    let mut set = FeatureSet::new(file.dim());
    let labels = file.labels().map(<[i64]>::to_vec);
    for first in (0..file.num_rows()).step_by(CHUNK_ROWS as usize) {
        let FeatureChunk { values, dim, names } =
            file.rows(first, CHUNK_ROWS).map_err(EvaluateError::file(path))?;
        let rows = first as usize..first as usize + values.len() / dim;
        let values = values.into_iter().map(|value| value as f32).collect();
        let labels = labels.as_ref().and_then(|labels| labels.get(rows));
        set.push(FeatureChunk { values, dim, names }, labels).map_err(EvaluateError::metric(path))?;
    }
    Ok(set)
}
