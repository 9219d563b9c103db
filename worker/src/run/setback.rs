//! Why a chunk was not finished, classed by what becomes of it.

use fidelis_contract::{payload::PayloadError, receipt::ReceiptError};
use fidelis_fleet::store::StoreError;

use super::Next;
use crate::engine::{EngineError, Reason};

/// Why a chunk was not finished.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Setback {
    /// It is in other hands, or Redis forgot it: nothing to do.
    #[error("the lease was lost")]
    Lost,
    /// We were told to stop: it goes back as if never taken.
    #[error("told to stop")]
    Stopped,
    /// Nobody's fault (I8): it goes back as if never taken.
    #[error("{0}")]
    Environment(String),
    /// This worker cannot make the run, whatever the seeds: it goes back for others, and counts for nothing unless
    /// nobody else can either.
    #[error("{0}")]
    Unfit(String),
    /// The device is lost to this process: the chunk goes back as if never taken, and the process ends.
    #[error("{0}")]
    Device(String),
    /// The chunk's own fault: the delivery counts, and the last one allowed makes it dead.
    #[error("{0}")]
    Fault(String),
    /// The device hangs on it: the delivery counts as for a fault, and the process has to end.
    #[error("{0}")]
    Stalled(String),
    /// Trying again would only repeat it: dead at once.
    #[error("{0}")]
    Hopeless(String),
    /// Its workers died as often as they may, and none of them stored it: dead, and not for anything that we saw.
    #[error("its workers died")]
    Spent,
}

impl Setback {
    /// True when the chunk will be tried again.
    pub fn is_retryable(&self) -> bool {
        !matches!(self, Self::Hopeless(_) | Self::Spent)
    }

    /// What to do after it.
    pub(super) fn next(&self) -> Next {
        match self {
            Self::Environment(_) => Next::Wait,
            Self::Stalled(_) | Self::Device(_) => Next::End,
            _ => Next::Claim,
        }
    }

    /// The setback of cancelled work.
    pub fn cancelled(reason: Option<Reason>) -> Self {
        match reason {
            Some(Reason::Lost) => Self::Lost,
            Some(Reason::Stopped) | None => Self::Stopped,
        }
    }

    /// What the engine said about work that could be called off for `reason`.
    pub fn of_engine(error: EngineError, reason: Option<Reason>) -> Self {
        match error {
            EngineError::Cancelled => Self::cancelled(reason),
            EngineError::Fault(cause) => Self::Fault(cause),
            EngineError::Unfit(cause) => Self::Unfit(cause),
            EngineError::Device(cause) => Self::Device(cause),
            EngineError::Environment(cause) | EngineError::OutOfMemory(cause) => Self::Environment(cause),
        }
    }
}

impl From<StoreError> for Setback {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict { .. } => Self::Hopeless(error.to_string()),
            other => Self::Environment(other.to_string()),
        }
    }
}

impl From<PayloadError> for Setback {
    fn from(error: PayloadError) -> Self {
        Self::Fault(error.to_string())
    }
}

impl From<ReceiptError> for Setback {
    fn from(error: ReceiptError) -> Self {
        Self::Hopeless(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use fidelis_contract::ids::Digest;

    use super::*;

    /// I8: only the chunk's own fault counts against it.
    #[test]
    fn blame_goes_where_it_belongs() {
        let memory = EngineError::Environment("out of memory".into());
        assert_eq!(Setback::of_engine(memory, None), Setback::Environment("out of memory".into()));
        assert_eq!(Setback::of_engine(EngineError::Cancelled, Some(Reason::Lost)), Setback::Lost);
        assert_eq!(Setback::of_engine(EngineError::Cancelled, Some(Reason::Stopped)), Setback::Stopped);
        let nan = EngineError::Fault("not finite".into());
        assert_eq!(Setback::of_engine(nan, None), Setback::Fault("not finite".into()));
        let unfit = EngineError::Unfit("no such net".into());
        assert_eq!(Setback::of_engine(unfit, None), Setback::Unfit("no such net".into()));
        let device = EngineError::Device("CUDA error".into());
        assert_eq!(Setback::of_engine(device, None), Setback::Device("CUDA error".into()));
        let outage = StoreError::Contended { key: "k".into() };
        assert!(matches!(outage.into(), Setback::Environment(_)));
    }

    #[test]
    fn nondeterminism_is_hopeless_and_names_both_digests() {
        let (ours, theirs) = (Digest::of(b"ours"), Digest::of(b"theirs"));
        let conflict = StoreError::Conflict { key: "k".into(), ours, theirs };
        let Setback::Hopeless(cause) = conflict.into() else { panic!("tried again") };
        assert!(cause.contains(&ours.to_string()) && cause.contains(&theirs.to_string()), "{cause}");
    }
}
