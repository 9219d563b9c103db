//! What a training left: its snapshots against its receipt, and which of them a state that is left leads to.

use fidelis_contract::{
    ids::{Digest, RunId},
    keys,
    receipt::Receipt,
    run::Run,
};
use fidelis_fleet::store::{PART_BYTES, Store, StoreError};

use super::chunk::{Finding, altered};
use super::fault::{Fault, FaultKind};

const STATE: &str = "training-state-";

/// Checks every snapshot that the receipt names.
pub(super) async fn check(
    (store, run): (&Store, &Run),
    receipt: &Receipt,
    finding: &mut Finding,
) -> Result<(), StoreError> {
    let mut faults = Vec::new();
    for (name, named) in &receipt.files {
        let key = format!("{}{name}", keys::training_prefix(&run.id));
        let Some(bytes) = store.get_large(&key, PART_BYTES).await? else {
            faults.push(Fault::new(FaultKind::Gone, &key, "is gone though its receipt is there"));
            continue;
        };
        finding.num_objects += 1;
        finding.num_bytes += bytes.len() as u64;
        let found = Digest::of(&bytes);
        if found != named.sha256 {
            faults.push(altered(&key, "its receipt names", named.sha256, found));
        }
    }
    if !faults.is_empty() {
        let states = states(store, &run.id).await?;
        for fault in &mut faults {
            if !states.iter().any(|state| kimg(state) <= kimg(&fault.key)) {
                fault.kind = FaultKind::Lost;
                fault.detail.push_str(", and the states that are left are of later images");
            }
        }
    }
    finding.faults.extend(faults);
    Ok(())
}

/// States of later images than the first of these snapshots: with them the training would go on behind it.
///
/// # Errors
/// What kept the store from answering.
pub(super) async fn states_beyond(
    store: &Store,
    run: &RunId,
    snapshots: &[&str],
) -> Result<Vec<String>, StoreError> {
    let first = snapshots.iter().filter_map(|snapshot| kimg(snapshot)).min();
    let states = states(store, run).await?;
    Ok(states.into_iter().filter(|state| kimg(state) > first).collect())
}

/// Keys of what a worker could go on from.
async fn states(store: &Store, run: &RunId) -> Result<Vec<String>, StoreError> {
    let prefix = format!("{}{STATE}", keys::training_prefix(run));
    Ok(store.list(&prefix).await?.into_iter().map(|object| object.key).collect())
}

/// The thousands of images in the name of a snapshot or a state.
fn kimg(key: &str) -> Option<u64> {
    let name = key.rsplit('/').next()?.trim_end_matches(".safetensors");
    name.trim_start_matches(STATE).trim_start_matches("network-snapshot-").split('-').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_thousands_of_images() {
        assert_eq!(kimg("runs/x/training/network-snapshot-0008388-0.050.safetensors"), Some(8388));
        assert_eq!(kimg("runs/x/training/training-state-0134217.safetensors"), Some(134_217));
        assert_eq!(kimg("runs/x/training/stats.jsonl"), None);
    }
}
