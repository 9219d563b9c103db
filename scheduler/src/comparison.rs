//! Several finished runs side by side: one report, one contact sheet, one line of JSON.

use std::{
    io,
    path::{Path, PathBuf},
};

use fidelis_contract::{
    detectors::Metric,
    manifest::Manifest,
    outcome::{Class, Outcome},
    result::{DetectorResult, RunResult},
};
use fidelis_fleet::store::Store;
use fidelis_formats::atomic;
use serde_json::{Map, Value, json};

use crate::{
    publish::{PublishError, contact_sheet},
    reduce::Reduced,
    report::{Report, html},
};

/// Runs that were compared, and where that is to be seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// In the order given.
    pub runs: Vec<RunResult>,
    /// `report.html`.
    pub report: PathBuf,
    /// `sheet.png`; `None` when a run kept no images, or no seed is in all runs.
    pub sheet: Option<PathBuf>,
}

/// Why runs were not compared.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// Their pictures could not be had.
    #[error(transparent)]
    Publish(Box<PublishError>),
    /// A file could not be written.
    #[error("cannot write `{}`: {source}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl From<PublishError> for CompareError {
    fn from(error: PublishError) -> Self {
        Self::Publish(Box::new(error))
    }
}

impl Outcome for CompareError {
    fn class(&self) -> Class {
        match self {
            Self::Publish(error) => error.class(),
            Self::Write { source, .. } => source.class(),
        }
    }
}

/// Writes `report.html` and, where all runs kept images, `sheet.png` into a folder.
///
/// # Errors
/// See [`CompareError`].
pub async fn write(store: &Store, finished: &[Reduced], folder: &Path) -> Result<Comparison, CompareError> {
    let manifests: Vec<&Manifest> = finished.iter().map(|reduced| &reduced.manifest).collect();
    let runs: Vec<RunResult> = finished.iter().map(|reduced| reduced.result.clone()).collect();
    let sheet = contact_sheet(store, &manifests).await?;
    let sheet_path = sheet.as_ref().map(|png| put(folder, "sheet.png", png)).transpose()?;
    let page = html(&Report { runs: runs.clone(), sheet });
    let report = put(folder, "report.html", page.as_bytes())?;
    Ok(Comparison { runs, report, sheet: sheet_path })
}

fn put(folder: &Path, name: &str, bytes: &[u8]) -> Result<PathBuf, CompareError> {
    let path = folder.join(name);
    match atomic::write(&path, bytes) {
        Ok(()) => Ok(path),
        Err(source) => Err(CompareError::Write { path, source }),
    }
}

impl Comparison {
    /// What scripts read: for each run its facts and, by detector, its distances, with the number of images of each.
    pub fn summary(&self) -> Value {
        let runs: Map<String, Value> = self.runs.iter().map(|run| (run.name.clone(), entry(run))).collect();
        json!({ "runs": runs, "sheet": self.sheet, "report": self.report })
    }

    /// The last line for people and their scripts: where each run has one detector at most, its distance stands with the
    /// run, and what all runs share beside them; else it is the [`summary`](Self::summary).
    pub fn last_line(&self) -> Value {
        if self.runs.iter().any(|run| run.detectors.len() > 1) {
            return self.summary();
        }
        let floors: Vec<Value> = self.runs.iter().map(floor).filter(|floor| !floor.is_null()).collect();
        let differ = floors.iter().any(|floor| floor != &floors[0]);
        let (floor, num_images) =
            (shared(floors.into_iter()), shared(self.runs.iter().map(|run| json!(run.num_images))));
        let mut line = Map::new();
        for run in &self.runs {
            let mut entry = plain_entry(run);
            if num_images.is_null() {
                entry.insert("num_images".into(), json!(run.num_images));
            }
            if differ {
                entry.insert("floor".into(), self::floor(run));
            }
            line.insert(run.name.clone(), entry.into());
        }
        line.insert("floor".into(), floor);
        line.insert("num_images".into(), num_images);
        line.insert("sheet".into(), json!(self.sheet));
        line.insert("report".into(), json!(self.report));
        line.into()
    }
}

fn entry(run: &RunResult) -> Value {
    let RunResult { num_images, guidance, timing, .. } = run;
    let mut entry = Map::new();
    entry.insert("num_images".into(), json!(num_images));
    entry.insert("guidance".into(), json!(guidance));
    entry.insert("images_per_s".into(), json!(timing.images_per_s));
    entry.insert("device_seconds".into(), json!(timing.device_seconds));
    for (name, detector) in &run.detectors {
        let mut figures = distances(name, detector);
        figures.insert("num_images".into(), json!(num_images));
        let reference = detector.reference.and_then(|reference| reference.num_images);
        figures.insert("reference_images".into(), json!(reference));
        figures.insert("floor".into(), json!(detector.floor.map(|floor| floor.value)));
        figures.insert("floor_images".into(), json!(detector.floor.and_then(|floor| floor.num_images)));
        entry.insert(name.clone(), figures.into());
    }
    entry.into()
}

fn plain_entry(run: &RunResult) -> Map<String, Value> {
    let first = run.detectors.iter().next();
    let mut entry = first.map(|(name, detector)| distances(name, detector)).unwrap_or_default();
    entry.insert("images_per_s".into(), json!(run.timing.images_per_s));
    entry.insert("guidance".into(), json!(run.guidance));
    entry
}

/// Each metric with its standard error; null where there is no reference.
fn distances(name: &str, detector: &DetectorResult) -> Map<String, Value> {
    let pair = |id: &str, value: Value, sd: Value| [(id.to_owned(), value), (format!("{id}_sd"), sd)];
    if detector.metrics.is_empty() {
        return pair(Metric::of(name).id(), Value::Null, Value::Null).into_iter().collect();
    }
    let pairs = detector.metrics.iter();
    pairs.flat_map(|measured| pair(&measured.id, json!(measured.value), json!(measured.sd))).collect()
}

fn floor(run: &RunResult) -> Value {
    json!(run.detectors.values().next().and_then(|detector| detector.floor).map(|floor| floor.value))
}

/// The one value that all have, or null.
fn shared(mut values: impl Iterator<Item = Value>) -> Value {
    let first = values.next().unwrap_or_default();
    if values.all(|value| value == first) { first } else { Value::Null }
}
