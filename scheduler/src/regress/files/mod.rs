//! What a night leaves in a folder: the result for machines, and what CI servers, dashboards and people read of it.

mod annotations;
mod history;
mod junit;
mod markdown;
mod prometheus;

use std::{
    fs::OpenOptions,
    io::{self, Write},
    path::{Path, PathBuf},
};

use fidelis_formats::atomic;

use super::{NightResult, RegressError};

pub use annotations::annotations;
pub use markdown::markdown;

/// Where the files lie.
const NAMES: [&str; 5] = ["result.json", "junit.xml", "summary.md", "metrics.prom", "history.jsonl"];

/// Whether the files can be written: asked before any image is made.
///
/// # Errors
/// They cannot.
pub fn check(folder: &Path) -> Result<(), atomic::Unwritable> {
    atomic::check_folder(folder)?;
    NAMES.iter().try_for_each(|name| atomic::check_file(&folder.join(name)))
}

/// Writes all of them; the history grows by a line.
///
/// # Errors
/// One cannot be written.
pub fn write(folder: &Path, result: &NightResult) -> Result<(), RegressError> {
    let [json, junit, summary, metrics, history] = NAMES.map(|name| folder.join(name));
    let put = |path: PathBuf, bytes: &[u8]| {
        atomic::write(&path, bytes).map_err(|source| RegressError::File { path, source })
    };
    put(json, &result.to_json())?;
    put(junit, junit::junit(result).as_bytes())?;
    put(summary, markdown(result).as_bytes())?;
    put(metrics, prometheus::prometheus(result).as_bytes())?;
    append(&history, &history::line(result))
}

/// Adds to a file that others read, such as the summary of a CI job's step.
///
/// # Errors
/// It cannot be written.
pub fn append(path: &Path, text: &str) -> Result<(), RegressError> {
    let append = || -> io::Result<()> {
        // In one piece: other jobs may write to it.
        OpenOptions::new().create(true).append(true).open(path)?.write_all(text.as_bytes())
    };
    append().map_err(|source| RegressError::File { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests;
