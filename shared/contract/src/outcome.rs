//! How operations fail and how commands end: every error of an operation says what its caller does next, and from that
//! follow whether trying again may help and the exit code, the same in every binary.

use std::{
    error::Error,
    fmt,
    io::{self, ErrorKind},
};

use crate::{addresses::Addresses, exit, text};

/// What the caller of a failed operation does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Corrects the command line, the spec or a file that they name.
    Usage,
    /// Finishes the run: chunks are missing.
    Incomplete,
    /// Looks into what is stored: it is not what it should be.
    Integrity,
    /// Mends what the command stands on (a server, a disk, a device), then runs it again.
    Environment,
    /// Tries the same again: it passes by itself.
    Passing,
}

impl Class {
    /// True when the same call may succeed later, without anybody's doing.
    pub fn is_retryable(self) -> bool {
        matches!(self, Self::Passing | Self::Incomplete)
    }

    /// The exit code of a command that ends so.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Usage => exit::USAGE,
            Self::Incomplete => exit::INCOMPLETE,
            Self::Integrity => exit::INTEGRITY,
            Self::Environment | Self::Passing => exit::INFRASTRUCTURE,
        }
    }
}

/// An error of an operation.
pub trait Outcome: Error + Send + Sync + 'static {
    /// What the caller does next.
    fn class(&self) -> Class;

    /// See [`Class::is_retryable`].
    fn is_retryable(&self) -> bool {
        self.class().is_retryable()
    }

    /// See [`Class::exit_code`].
    fn exit_code(&self) -> u8 {
        self.class().exit_code()
    }
}

/// Declares errors that are the user's to mend, every one: a wrong word, a file that is not what it should be.
#[macro_export]
macro_rules! usage_errors {
    ($($error:ty),+ $(,)?) => {
        $(impl $crate::outcome::Outcome for $error {
            fn class(&self) -> $crate::outcome::Class {
                $crate::outcome::Class::Usage
            }
        })+
    };
}

/// Of a path that somebody named: a disk without room is no fault of the path, which is right once there is some again. A
/// time that ran out is a server's.
impl Outcome for io::Error {
    fn class(&self) -> Class {
        match self.kind() {
            _ if is_full(self) => Class::Environment,
            ErrorKind::TimedOut => Class::Passing,
            _ => Class::Usage,
        }
    }
}

/// Whether a disk has no room left.
pub fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

/// How a command ends when it cannot do what it was asked: one line, and the exit code that tells scripts what to do
/// about it.
#[derive(Debug)]
pub struct Failure {
    /// One of [`exit`].
    pub code: u8,
    /// What went wrong and what to do next.
    pub error: anyhow::Error,
}

impl Failure {
    /// A failure with this exit code.
    pub fn new(code: u8, error: impl Into<anyhow::Error>) -> Self {
        Self { code, error: error.into() }
    }

    /// Says of local copies where they came from.
    pub fn at(self, addresses: &Addresses) -> Self {
        let text = addresses.restored(&self.to_string());
        Self { code: self.code, error: anyhow::anyhow!(text) }
    }
}

impl<E: Outcome> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { code: error.exit_code(), error: error.into() }
    }
}

/// Of no operation of ours: the fault of the command line or of a file that it names, unless a disk is full.
impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        let class = error.chain().find_map(|cause| Some(cause.downcast_ref::<io::Error>()?.class()));
        Self { code: class.unwrap_or(Class::Usage).exit_code(), error }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&one_line(self.error.as_ref()))
    }
}

/// An error and its causes in one line, without the causes that the text already names.
pub fn one_line(error: &dyn Error) -> String {
    let mut line = text::line(error);
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = text::line(error);
        if !line.contains(&text) {
            line = format!("{line}: {text}");
        }
        cause = error.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot read `x`: {source}")]
    struct Outer {
        source: Inner,
    }

    #[derive(Debug, thiserror::Error)]
    #[error("damaged\n at byte 3")]
    struct Inner;

    #[derive(Debug, thiserror::Error)]
    #[error("`\x1b[2J\r\n` is no run")]
    struct Quoting;

    #[derive(Debug, thiserror::Error)]
    #[error("no result")]
    struct Quiet(#[source] Outer);

    #[test]
    fn each_cause_stands_once_and_in_one_line() {
        assert_eq!(one_line(&Outer { source: Inner }), "cannot read `x`: damaged at byte 3");
        assert_eq!(
            one_line(&Quiet(Outer { source: Inner })),
            "no result: cannot read `x`: damaged at byte 3"
        );
        assert_eq!(one_line(&Quoting), "`\\u{1b}[2J ` is no run");
    }

    impl Outcome for Quoting {
        fn class(&self) -> Class {
            Class::Integrity
        }
    }

    #[test]
    fn scripts_learn_what_to_do_next() {
        assert_eq!(Failure::from(Quoting).code, exit::INTEGRITY);
        let full = || io::Error::from(ErrorKind::StorageFull);
        assert_eq!(Failure::from(full()).code, exit::INFRASTRUCTURE);
        assert_eq!(Failure::from(anyhow::Error::new(full()).context("c")).code, exit::INFRASTRUCTURE);
        assert_eq!(Failure::from(io::Error::from(ErrorKind::ReadOnlyFilesystem)).code, exit::USAGE);
        assert_eq!(Failure::from(anyhow::anyhow!("x")).code, exit::USAGE);
        assert!(Class::Passing.is_retryable() && !Class::Environment.is_retryable());
    }
}
