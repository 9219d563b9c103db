//! What people find of a sweep in its store, beside its table.

use fidelis_contract::{keys, sweep::Table};
use fidelis_fleet::store::Store;

use super::SweepRunError;
use crate::report::sweep::{curves, heat};

/// A rendering.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// As below the sweep's folder.
    pub name: &'static str,
    /// What it holds.
    pub bytes: Vec<u8>,
    content_type: &'static str,
}

/// Every rendering of a table as a file; pictures only where there is something to see.
///
/// # Errors
/// A picture could not be encoded.
pub fn renderings(table: &Table) -> Result<Vec<File>, SweepRunError> {
    let file = |name, content_type, bytes| File { name, bytes, content_type };
    let mut files = vec![
        file("table.json", "application/json", table.to_json().into_bytes()),
        file("table.csv", "text/csv; charset=utf-8", table.to_csv().into_bytes()),
    ];
    let names = [("heat.svg", "heat.png"), ("curves.svg", "curves.png")];
    for ((svg, png), figure) in names.into_iter().zip([heat(table), curves(table)]) {
        let Some(figure) = figure else { continue };
        let pixels = figure.png().map_err(|error| SweepRunError::Internal(error.to_string()))?;
        files.push(file(svg, "image/svg+xml", figure.svg().into_bytes()));
        files.push(file(png, "image/png", pixels));
    }
    Ok(files)
}

/// Stores renderings beside the sweep's spec.
///
/// # Errors
/// What kept the store from answering.
pub async fn write(store: &Store, table: &Table, files: &[File]) -> Result<(), SweepRunError> {
    for File { name, bytes, content_type } in files {
        store.replace(&keys::sweep_file(&table.sweep, name), bytes.clone().into(), content_type).await?;
    }
    Ok(())
}
