//! Bringing a run before a fleet: its spec into the store, what is missing into the queue. Doing it again resumes. And
//! calling it off.

use std::{collections::BTreeSet, path::Path};

use fidelis_shared::{
    arithmetic::OtherArithmetic,
    events::Event,
    exit,
    failpoint::{Point, reach},
    ids::{ChunkIndex, Digest, RunId},
    keys,
    queue::{QueueError, QueuedRun},
    spec::{RunSpec, SpecError},
    store::{Store, StoreError},
};

use crate::{
    arithmetic::{self, ArithmeticError},
    fleet::{Fleet, StoredRun, is_cancelled, stored_chunks},
    namesake::{self, Namesake},
};

/// What submitting found and did.
#[derive(Debug, Clone)]
pub struct Submitted {
    /// The run.
    pub run: StoredRun,
    /// Chunks that the store had already.
    pub stored: BTreeSet<ChunkIndex>,
    /// Chunks newly queued.
    pub num_queued: u64,
}

impl Submitted {
    /// The event that tells of it.
    pub fn event(&self) -> Event {
        Event::Submitted {
            run: self.run.run.clone(),
            num_chunks: self.run.plan.num_chunks(),
            num_stored: self.stored.len() as u32,
            num_queued: self.num_queued,
            num_images: self.run.plan.num_images(),
        }
    }
}

/// Why a run was not submitted, or not found.
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
    /// No such run.
    #[error("the store has no run `{0}`: submit its spec first, or check the store's url")]
    Unknown(RunId),
    /// What is stored of it is of another arithmetic than this build's.
    #[error(transparent)]
    Arithmetic(#[from] OtherArithmetic),
    /// The stored spec cannot be read.
    #[error("the stored spec is damaged: {0}; submitting the spec file again puts it right")]
    Damaged(SpecError),
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

    /// True when the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Store(error) => error.is_retryable(),
            Self::Queue(error) => error.is_retryable(),
            Self::Arithmetic(error) => error.is_retryable(),
            Self::Foreign { .. } | Self::Taken(_) | Self::Unknown(_) | Self::Damaged(_) => false,
        }
    }

    /// The exit code of a command that this error ends.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Foreign { .. } | Self::Damaged(_) => exit::INTEGRITY,
            Self::Taken(_) | Self::Unknown(_) => exit::USAGE,
            Self::Arithmetic(error) => error.exit_code(),
            Self::Store(error) => error.exit_code(),
            Self::Queue(error) => error.exit_code(),
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
pub async fn check_name(store: &Store, spec: &RunSpec) -> Result<(), SubmitError> {
    match namesake::find(store, spec).await? {
        Some(namesake) => Err(SubmitError::Taken(namesake)),
        None => Ok(()),
    }
}

/// Submits a validated, resolved spec. One that was cancelled goes on.
///
/// # Errors
/// See [`SubmitError`]; submitting again is always safe.
pub async fn submit(fleet: &Fleet, spec: RunSpec) -> Result<Submitted, SubmitError> {
    store_spec(&fleet.store, &spec).await?;
    reach(Point::SubmitAfterSpec, None);
    let queued_run = QueuedRun::new(&spec);
    let run = StoredRun::new(spec);
    let stored = stored_chunks(&fleet.store, &run.run).await?;
    arithmetic::check_stored(&fleet.store, &run, &stored).await?;
    let missing = run.missing(&stored);
    if is_cancelled(&fleet.store, &run.run).await? {
        tracing::info!("the run was cancelled: it goes on");
        fleet.store.remove(&keys::cancelled(&run.run)).await?;
    }
    fleet.queue.resume(&run.run).await?;
    let progress = fleet.queue.progress(&run.run).await?.unwrap_or_default();
    if progress.dead_chunks + progress.cancelled_chunks > 0 {
        fleet.queue.settle(&run.run, &run.with_images(&stored)).await?;
    }
    let num_queued = if missing.is_empty() { 0 } else { fleet.queue.enqueue(&queued_run, &missing).await? };
    Ok(Submitted { run, stored, num_queued })
}

/// Refuses a run that holds chunks of another arithmetic than this build's, unless it is finished.
///
/// # Errors
/// [`SubmitError::Arithmetic`]; what kept the store from answering.
pub async fn check_arithmetic(store: &Store, run: &StoredRun) -> Result<(), SubmitError> {
    let stored = stored_chunks(store, &run.run).await?;
    Ok(arithmetic::check_stored(store, run, &stored).await?)
}

/// Calls a run off: first in the store, which remembers, then in the queue. Returns how many chunks left the queue.
///
/// # Errors
/// What kept either from answering; cancelling again is always safe.
pub async fn cancel(fleet: &Fleet, run: &StoredRun) -> Result<u64, SubmitError> {
    let text =
        bytes::Bytes::from_static(b"cancelled: submitting the run again goes on from what is stored\n");
    fleet.store.create(&keys::cancelled(&run.run), text).await?;
    Ok(fleet.queue.cancel(&QueuedRun::new(&run.spec)).await?)
}

/// Reads a run back from the store.
///
/// # Errors
/// [`SubmitError::Unknown`], a damaged spec, what kept the store from answering.
pub async fn find(store: &Store, run: &RunId) -> Result<StoredRun, SubmitError> {
    let key = keys::spec(run);
    let bytes = store.get(&key).await?.ok_or_else(|| SubmitError::Unknown(run.clone()))?;
    let spec = read_spec(&key, &bytes)?;
    let found = StoredRun::new(spec);
    if found.run == *run {
        return Ok(found);
    }
    let problem = format!("it describes run `{}`", found.run);
    Err(SubmitError::Damaged(SpecError::Syntax { origin: key, problem }))
}

/// The spec is created once. One of the same digest differs in nothing but the files' paths: then the newer paths,
/// which have just been read, replace those of a folder that may be gone. One that does not describe the run whose
/// key it has was damaged, and is put right.
async fn store_spec(store: &Store, spec: &RunSpec) -> Result<(), SubmitError> {
    let key = keys::spec(&spec.run_id());
    let bytes = bytes::Bytes::from(spec.to_json());
    let conflict = match store.create(&key, bytes.clone()).await {
        Err(error @ StoreError::Conflict { .. }) => error,
        other => return Ok(other.map(drop)?),
    };
    let stored = store.get(&key).await?.ok_or(conflict)?;
    match read_spec(&key, &stored) {
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

fn read_spec(key: &str, bytes: &[u8]) -> Result<RunSpec, SubmitError> {
    let text = String::from_utf8_lossy(bytes);
    RunSpec::from_json(&text, key).map_err(SubmitError::Damaged)
}
