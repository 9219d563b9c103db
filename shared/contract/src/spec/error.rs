use std::{io, path::PathBuf};

/// Why a spec was refused. All of these are the user's to mend; none is worth a retry.
#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    /// The spec file cannot be read.
    #[error("cannot read spec `{}`: {source}", path.display())]
    Read {
        /// The spec file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Neither `.toml` nor `.json`.
    #[error("spec `{}` has an unknown format: name it `.toml` or `.json`", path.display())]
    Format {
        /// The spec file.
        path: PathBuf,
    },
    /// Not TOML or JSON, a field that does not exist, or a value of the wrong form.
    #[error("spec `{origin}`: {problem}")]
    Syntax {
        /// The file, or where else the text came from.
        origin: String,
        /// One line; names the field and, where known, the line.
        problem: String,
    },
    /// A value that makes no sense.
    #[error("spec field `{field}`: {problem}")]
    Field {
        /// The field, dotted.
        field: String,
        /// What is wrong and what to write instead.
        problem: String,
    },
}

crate::usage_errors!(SpecError);
