//! Looking at a run before it is complete.

use fidelis_contract::{
    manifest::{Manifest, StoredReceipt},
    run::Run,
    spec::DetectorSpec,
};
use fidelis_fleet::{store::Store, stored};
use fidelis_metrics::{Folded, Gaussian};

use super::{ReduceError, arithmetic_of, detector};

/// The moments of a detector's features of a run, or of its first chunks ([`Run::first`]): those of all of it are the bits
/// of its own result. Each object is checked against its receipt; nothing is written.
///
/// # Errors
/// [`ReduceError::Unread`] while chunks of it are missing; integrity failures name the object.
pub async fn part(store: &Store, run: &Run, detector: &str) -> Result<Folded, ReduceError> {
    let mut receipts: Vec<StoredReceipt> = stored::receipts(store, &run.id).await?.stored;
    receipts.retain(|stored| stored.receipt.chunk < run.plan.num_chunks());
    arithmetic_of(store, run, &receipts).await?;
    let manifest = Manifest::build(run, &receipts)?;
    let first = stored::expectation::load(store, &run.id, run.spec.engine.kind()).await?;
    stored::expectation::check(&run.id, &first, &manifest.chunks)?;
    detector::fold(store, &manifest, detector).await
}

/// What a detector's features are compared with; its file lies on this machine. `None` where it names nothing.
///
/// # Errors
/// The file is not what it was when the run was made ready, or holds no such statistics.
pub async fn reference(of: &DetectorSpec) -> Result<Option<Gaussian>, ReduceError> {
    let statistics = detector::statistics(of, "reference", of.reference.as_ref())?;
    let gaussian = move || Ok(statistics.as_ref().map(Gaussian::new).transpose()?);
    detector::computed(&of.name, gaussian).await
}
