//! Bringing a run before a fleet: its spec into the store, what is missing into the queue. Doing it again resumes. And
//! calling it off.

use std::{collections::BTreeSet, path::Path};

use fidelis_contract::{
    arithmetic::OtherArithmetic,
    events::Event,
    ids::{ChunkIndex, Digest},
    keys,
    outcome::{Class, Outcome},
    run::Run,
    spec::ResolvedSpec,
};
use fidelis_fleet::{
    failpoint::{Point, reach},
    fleet::Fleet,
    queue::QueueError,
    store::{Store, StoreError},
    stored,
};

use super::namesake::{self, Namesake};
use crate::arithmetic::{self, ArithmeticError};

/// What submitting found and did.
#[derive(Debug, Clone)]
pub struct Submitted {
    /// The run.
    pub run: Run,
    /// Chunks that the store had already.
    pub stored: BTreeSet<ChunkIndex>,
    /// Chunks newly queued.
    pub num_queued: u64,
}

impl Submitted {
    /// The event that tells of it.
    pub fn event(&self) -> Event {
        Event::Submitted {
            run: self.run.id.clone(),
            num_chunks: self.run.plan.num_chunks().into(),
            num_stored: self.stored.len() as u64,
            num_queued: self.num_queued,
            num_images: self.run.plan.num_images(),
            is_training: self.run.spec.engine.train().is_some(),
        }
    }
}

/// Why a run was not submitted.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// Another spec lies under the run's id.
    #[error(
        "`{key}` holds another spec, of digest `{theirs}` instead of `{ours}`: it was damaged or edited; \
             remove the run or change its name"
    )]
    Foreign {
        /// Where.
        key: String,
        /// The digest of this spec.
        ours: Digest,
        /// The digest of the stored one.
        theirs: Digest,
    },
    /// The name is another run's.
    #[error(
        "the name `{}` is taken by the run `{}`, whose spec differs: {}; give this one another name, or pass `--new` to keep both",
        .0.run.name(), .0.run, .0.difference()
    )]
    Taken(Namesake),
    /// What is stored of it is of another arithmetic than this build's.
    #[error(transparent)]
    Arithmetic(#[from] OtherArithmetic),
    /// S3.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Redis.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

impl SubmitError {
    /// The same where the store is `fidelis local`'s, of this folder: commands that it names find it there.
    pub fn local(self, folder: &Path) -> Self {
        match self {
            Self::Arithmetic(other) => {
                Self::Arithmetic(OtherArithmetic { local: Some(folder.to_owned()), ..other })
            }
            other => other,
        }
    }
}

impl Outcome for SubmitError {
    fn class(&self) -> Class {
        match self {
            Self::Foreign { .. } => Class::Integrity,
            Self::Taken(_) => Class::Usage,
            Self::Arithmetic(error) => error.class(),
            Self::Store(error) => error.class(),
            Self::Queue(error) => error.class(),
        }
    }
}

impl From<ArithmeticError> for SubmitError {
    fn from(error: ArithmeticError) -> Self {
        match error {
            ArithmeticError::Other(other) => Self::Arithmetic(other),
            ArithmeticError::Store(error) => Self::Store(error),
        }
    }
}

/// Refuses a spec whose name another run of the store has.
///
/// # Errors
/// [`SubmitError::Taken`] with the difference; what kept the store from answering.
pub async fn check_name(store: &Store, spec: &ResolvedSpec) -> Result<(), SubmitError> {
    match namesake::find(store, spec).await? {
        Some(namesake) => Err(SubmitError::Taken(namesake)),
        None => Ok(()),
    }
}

/// Submits a validated, resolved spec. One that was cancelled goes on.
///
/// # Errors
/// See [`SubmitError`]; submitting again is always safe.
pub async fn submit(fleet: &Fleet, spec: ResolvedSpec) -> Result<Submitted, SubmitError> {
    let run = Run::new(spec);
    submit_part(fleet, &run, run.plan.num_chunks()).await
}

/// Submits a run, and of its chunks the first ones; the others may follow, or never.
///
/// # Errors
/// As [`submit`].
pub async fn submit_part(fleet: &Fleet, run: &Run, num_chunks: ChunkIndex) -> Result<Submitted, SubmitError> {
    store_spec(&fleet.store, &run.spec).await?;
    reach(Point::SubmitAfterSpec, None);
    let stored = stored::chunk_indices(&fleet.store, &run.id).await?;
    arithmetic::check_stored(&fleet.store, run, &stored).await?;
    let missing = run.first(num_chunks).missing(&stored);
    if stored::is_cancelled(&fleet.store, &run.id).await? {
        tracing::info!("the run was cancelled: it goes on");
        fleet.store.remove(&keys::cancelled(&run.id)).await?;
    }
    fleet.queue.resume(&run.id).await?;
    let progress = fleet.queue.progress(&run.id).await?.unwrap_or_default();
    if progress.dead_chunks + progress.cancelled_chunks > 0 {
        fleet.queue.settle(&run.id, &run.with_images(&stored)).await?;
    }
    let num_queued = if missing.is_empty() { 0 } else { fleet.queue.enqueue(run, &missing).await? };
    Ok(Submitted { run: run.clone(), stored, num_queued })
}

/// Refuses a run that holds chunks of another arithmetic than this build's, unless it is finished.
///
/// # Errors
/// [`SubmitError::Arithmetic`]; what kept the store from answering.
pub async fn check_arithmetic(store: &Store, run: &Run) -> Result<(), SubmitError> {
    let stored = stored::chunk_indices(store, &run.id).await?;
    Ok(arithmetic::check_stored(store, run, &stored).await?)
}

/// Calls a run off: first in the store, which remembers, then in the queue. Returns how many chunks left the queue.
///
/// # Errors
/// What kept either from answering; cancelling again is always safe.
pub async fn cancel(fleet: &Fleet, run: &Run) -> Result<u64, SubmitError> {
    let text =
        bytes::Bytes::from_static(b"cancelled: submitting the run again goes on from what is stored\n");
    fleet.store.create(&keys::cancelled(&run.id), text).await?;
    Ok(fleet.queue.cancel(run).await?)
}

/// The spec is created once. One of the same digest differs in nothing but the files' paths: then the newer paths,
/// which have just been read, replace those of a folder that may be gone. One that does not describe the run whose
/// key it has was damaged, and is put right.
async fn store_spec(store: &Store, spec: &ResolvedSpec) -> Result<(), SubmitError> {
    let key = keys::spec(&spec.run_id());
    let bytes = bytes::Bytes::from(spec.to_json());
    let conflict = match store.create(&key, bytes.clone()).await {
        Err(error @ StoreError::Conflict { .. }) => error,
        other => return Ok(other.map(drop)?),
    };
    let there = store.get(&key).await?.ok_or(conflict)?;
    match stored::spec(&key, &there) {
        Ok(theirs) if theirs.run_id() == spec.run_id() => {
            let (ours, theirs) = (spec.digest(), theirs.digest());
            if ours != theirs {
                return Err(SubmitError::Foreign { key, ours, theirs });
            }
        }
        _ => tracing::warn!("`{key}` was damaged: it is put right"),
    }
    Ok(store.replace(&key, bytes, "application/json").await?)
}
