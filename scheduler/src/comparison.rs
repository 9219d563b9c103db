//! Several finished runs side by side: one report, one contact sheet, one line of JSON.

use std::{
    io,
    path::{Path, PathBuf},
};

use fidelis_contract::manifest::Manifest;
use fidelis_contract::outcome::{Class, Outcome};
use fidelis_fleet::store::Store;
use fidelis_formats::atomic;
use serde_json::{Map, Value, json};

use crate::{
    reduce::{ReduceError, Reduced, contact_sheet},
    report::{Report, RunResult, html},
};

/// Runs that were compared, and where that is to be seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// In the order given.
    pub runs: Vec<RunResult>,
    /// `report.html`.
    pub report: PathBuf,
    /// `sheet.png`; `None` when a run kept no images.
    pub sheet: Option<PathBuf>,
}

/// Why runs were not compared.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// Their pictures could not be had.
    #[error(transparent)]
    Reduce(#[from] ReduceError),
    /// A file could not be written.
    #[error("cannot write `{}`: {source}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Outcome for CompareError {
    fn class(&self) -> Class {
        match self {
            Self::Reduce(error) => error.class(),
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
    /// What scripts read: per run its distances with their errors, speed and guidance, and what they share.
    pub fn summary(&self) -> Value {
        let mut summary = Map::new();
        for run in &self.runs {
            let mut entry = Map::new();
            for detector in run.detectors.values() {
                entry.insert(detector.metric.clone(), json!(detector.value));
                entry.insert(format!("{}_sd", detector.metric), json!(detector.sd));
            }
            entry.insert("images_per_s".into(), json!(run.timing.images_per_s));
            entry.insert("guidance".into(), json!(run.guidance));
            summary.insert(run.name.clone(), Value::Object(entry));
        }
        let floor =
            self.runs.iter().flat_map(|run| run.detectors.values()).find_map(|detector| detector.floor);
        summary.insert("floor".into(), json!(floor));
        summary.insert("num_images".into(), json!(self.runs.iter().map(|run| run.num_images).min()));
        summary.insert("sheet".into(), json!(self.sheet));
        summary.insert("report".into(), json!(self.report));
        Value::Object(summary)
    }
}
