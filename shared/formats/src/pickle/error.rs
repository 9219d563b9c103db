//! Why a pickle was not read.

/// One problem and where it lies, in bytes from the start of the file (of the entry, in an archive).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the pickle's byte `{offset}`: {problem}")]
pub struct PickleError {
    pub offset: usize,
    pub problem: Problem,
}

/// What can be wrong with a pickle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("it ends too early; fetch or make the file again")]
    Truncated,
    #[error("it names `{0}`, which no file read here needs: nothing of it was run, and nothing will be")]
    Global(String),
    #[error("opcode `{0:#04x}`, which no file read here needs")]
    Opcode(u8),
    #[error("more than `{limit}` {what}, which no real file has")]
    TooMany { what: &'static str, limit: u64 },
    #[error("in the bytes of a storage, {0}")]
    Storage(Box<PickleError>),
    #[error("{0}; fetch or make the file again")]
    Malformed(&'static str),
}

impl Problem {
    /// Refuses `module.name`, which may hold anything.
    pub(super) fn global(module: &str, name: &str) -> Self {
        const MAX_CHARS: usize = 100;
        let full = format!("{module}.{name}");
        let mut shown: String = full.chars().take(MAX_CHARS).flat_map(char::escape_debug).collect();
        if full.chars().nth(MAX_CHARS).is_some() {
            shown.push('…');
        }
        Self::Global(shown)
    }
}

pub(super) type Result<T> = std::result::Result<T, Problem>;
