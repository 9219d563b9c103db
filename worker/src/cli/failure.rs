//! How a command ends when it cannot do what it was asked.

use std::fmt;

use fidelis_shared::{exit, failure, files::Addresses};

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

    /// Says of local copies where they came from.
    pub fn at(self, addresses: &Addresses) -> Self {
        let text = addresses.restored(&self.to_string());
        Self { code: self.code, error: anyhow::anyhow!(text) }
    }
}

/// What fails without a class of its own is the fault of the command line or of a file it names.
impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        let error = error.into();
        let code = error.chain().find_map(failure::exit_code_of).unwrap_or(exit::USAGE);
        Self { code, error }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&failure::one_line(self.error.as_ref()))
    }
}
