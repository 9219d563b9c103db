//! How far a training on the queue is, as its own files tell.

use fidelis_contract::{events::TrainingNumbers, ids::RunId, keys};
use fidelis_fleet::store::{Store, StoreError};
use serde::Serialize;

/// More than the last line of numbers.
const TAIL_BYTES: u64 = 16 << 10;

/// What a training has left so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Training {
    /// The last line of its numbers.
    pub last: Option<TrainingNumbers>,
    /// Name of what a worker would go on from.
    pub state: Option<String>,
    /// Name of the last snapshot, and how many there are.
    pub snapshot: Option<String>,
    pub num_snapshots: u64,
    /// Where the page is.
    pub page: Option<String>,
}

/// Looks at a training's files.
///
/// # Errors
/// What kept the store from answering.
pub async fn seen(store: &Store, run: &RunId) -> Result<Training, StoreError> {
    let prefix = keys::training_prefix(run);
    let folder = store.folder(&prefix).await?;
    let names: Vec<&str> =
        folder.objects.iter().filter_map(|object| object.key.strip_prefix(&prefix)).collect();
    let beginning = |with: &'static str| names.iter().filter(move |name| name.starts_with(with));
    // Of equal width, so that the last is the newest.
    let last = |with: &'static str| beginning(with).max().map(|&name| name.to_owned());
    let page = names.contains(&"training.html").then(|| store.url_of(&format!("{prefix}training.html")));
    Ok(Training {
        last: numbers(store, &format!("{prefix}stats.jsonl")).await?,
        state: last("training-state-"),
        snapshot: last("network-snapshot-"),
        num_snapshots: beginning("network-snapshot-").count() as u64,
        page,
    })
}

/// The last whole line of a file that grows.
async fn numbers(store: &Store, key: &str) -> Result<Option<TrainingNumbers>, StoreError> {
    let Some(head) = store.head(key).await? else { return Ok(None) };
    let range = head.num_bytes.saturating_sub(TAIL_BYTES)..head.num_bytes;
    if range.is_empty() {
        return Ok(None);
    }
    // Replaced meanwhile: the next look finds more.
    let tail = store.part(key, range, head.mark.as_deref()).await?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&tail).lines().rev().find_map(|line| serde_json::from_str(line).ok()))
}
