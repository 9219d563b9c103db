//! How a command ends when it cannot do what it was asked.

use std::{error::Error, fmt};

use fidelis_embedded::{LocalError, RedisServerError, S3ServerError, WorkersError};
use fidelis_shared::{exit, failure};

use crate::{
    comparison::CompareError, fleet::FleetError, reduce::ReduceError, submit::SubmitError,
    verify::VerifyError,
};

/// An error and the exit code that tells scripts what to do about it. Shown as one line.
#[derive(Debug)]
pub struct Failure {
    /// One of [`fidelis_shared::exit`].
    pub code: u8,
    /// What went wrong and what to do next.
    pub error: anyhow::Error,
}

impl Failure {
    /// A failure with this exit code.
    pub fn new(code: u8, error: impl Into<anyhow::Error>) -> Self {
        Self { code, error: error.into() }
    }
}

/// What fails without a class of its own is the fault of the command line or of a file it names.
impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        let error = error.into();
        let code = error.chain().find_map(exit_code_of).unwrap_or(exit::USAGE);
        Self { code, error }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&failure::one_line(self.error.as_ref()))
    }
}

fn exit_code_of(error: &(dyn Error + 'static)) -> Option<u8> {
    macro_rules! ask {
        ($($kind:ty),+) => {
            $(if let Some(error) = error.downcast_ref::<$kind>() {
                return Some(error.exit_code());
            })+
        };
    }
    ask!(SubmitError, ReduceError, VerifyError, CompareError, LocalError, FleetError);
    ask!(WorkersError, RedisServerError, S3ServerError);
    failure::exit_code_of(error)
}

#[cfg(test)]
mod tests {
    use fidelis_shared::{queue::QueueError, spec::SpecError};

    use super::*;

    #[test]
    fn codes_are_found_behind_wrappers() {
        let redis = QueueError::Record { url: "u".into(), problem: "p".into() };
        assert_eq!(Failure::from(FleetError::Queue(redis)).code, exit::INFRASTRUCTURE);
        let spec = SpecError::Field { field: "f".into(), problem: "p".into() };
        assert_eq!(Failure::from(anyhow::Error::new(spec).context("c")).code, exit::USAGE);
        let damaged = SubmitError::Damaged(SpecError::Field { field: "f".into(), problem: "p".into() });
        assert_eq!(Failure::from(damaged).code, exit::INTEGRITY);
    }
}
