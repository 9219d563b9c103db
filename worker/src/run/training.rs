//! What a training works with.

use std::sync::Arc;

use fidelis_contract::{addresses::Addresses, keys, outcome::Outcome, run::Run};
use fidelis_fleet::store::Store;

use super::setback::Setback;
use crate::engine::{CancelFlag, Materials};
use crate::far::{self, StoreFolder};

/// Of a run that is one: its images, where they lie, and the run's own place for what it leaves.
///
/// # Errors
/// [`Setback::Environment`] for a server that does not answer, [`Setback::Unfit`] for images that are not to be had here.
pub async fn materials(
    run: &Run,
    (store, s3_endpoint): (&Store, Option<&str>),
    cancel: &CancelFlag,
) -> Result<Option<Materials>, Setback> {
    let Some(training) = run.spec.engine.train() else { return Ok(None) };
    let opened = far::open(&training.settings.data, s3_endpoint, &mut Addresses::default()).await;
    let data = opened.map_err(|error| {
        let text = format!("on this worker: {error}");
        // Another worker may have the images.
        if error.is_retryable() { Setback::Environment(text) } else { Setback::Unfit(text) }
    })?;
    cancel.set_resumable();
    let files = StoreFolder::new(store.clone(), &keys::training_prefix(&run.id), cancel.clone());
    Ok(Some(Materials { data, files: Arc::new(files) }))
}
