//! EDM's `dataset.json`: `{"labels": [["00000/img00000000.png", 6], …]}`, or `"labels": null`.

use std::collections::HashMap;

use serde::Deserialize;

/// Where it lies in an archive or folder.
pub const FILE: &str = "dataset.json";

#[derive(Deserialize)]
struct Table {
    #[serde(default)]
    labels: Option<Vec<(String, i64)>>,
}

/// The classes of the images called `names`, in their order; empty when the file knows none.
pub fn parse(json: &[u8], names: &[String]) -> Result<Vec<i64>, String> {
    let table: Table = serde_json::from_slice(json).map_err(|error| format!("`{FILE}`: {error}"))?;
    let Some(labels) = table.labels else { return Ok(Vec::new()) };
    let by_name: HashMap<String, i64> =
        labels.into_iter().map(|(name, label)| (name.replace('\\', "/"), label)).collect();
    let label = |name: &String| {
        by_name.get(name).copied().ok_or_else(|| format!("`{FILE}` has no class for `{name}`"))
    };
    names.iter().map(label).collect()
}
