//! Names of things: content digests, runs, pools, chunks.

use std::{fmt, fs::File, io, path::Path, str::FromStr};

use sha2::{Digest as _, Sha256};

use crate::text::{is_name, serde_as_text};

/// A chunk's place in its run's plan, from 0.
pub type ChunkIndex = u32;

/// Longest run name, the digest not counted.
pub const MAX_NAME_LEN: usize = 48;

/// A SHA-256; written as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest of a buffer.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The digest of a file's content, read as a stream.
    pub fn of_file(path: &Path) -> io::Result<Self> {
        let mut hasher = Sha256::new();
        io::copy(&mut File::open(path)?, &mut hasher)?;
        Ok(Self(hasher.finalize().into()))
    }

    /// The first 16 hex digits: enough to tell runs apart, short enough to read.
    pub fn short(&self) -> String {
        self.to_string()[..16].to_owned()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl FromStr for Digest {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let refused = || IdError::Digest(text.to_owned());
        if text.len() != 64 || !is_lower_hex(text) {
            return Err(refused());
        }
        let mut bytes = [0; 32];
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).map_err(|_| refused())?;
        }
        Ok(Self(bytes))
    }
}

serde_as_text!(Digest);

/// A run: `name-0123456789abcdef`, the spec's name and the start of its digest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(String);

impl RunId {
    /// The id of the run that a spec of this name and digest describes.
    ///
    /// # Errors
    /// [`IdError::Run`] when the name is not `[a-z0-9][a-z0-9-]{0,47}`.
    pub fn new(name: &str, spec: &Digest) -> Result<Self, IdError> {
        format!("{name}-{}", spec.short()).parse()
    }

    /// The spec's name.
    pub fn name(&self) -> &str {
        self.0.rsplit_once('-').map_or("", |(name, _)| name)
    }

    /// The id as text; safe in keys, paths and URLs.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RunId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        match text.rsplit_once('-') {
            Some((name, hex)) if is_name(name, MAX_NAME_LEN) && hex.len() == 16 && is_lower_hex(hex) => {
                Ok(Self(text.to_owned()))
            }
            _ => Err(IdError::Run(text.to_owned())),
        }
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

serde_as_text!(RunId);

/// A sweep: `name-0123456789abcdef`, its name and the start of its content's digest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SweepId(String);

impl SweepId {
    /// The id of the sweep of this name and content.
    ///
    /// # Errors
    /// [`IdError::Sweep`] when the name is not `[a-z0-9][a-z0-9-]{0,47}`.
    pub fn new(name: &str, content: &Digest) -> Result<Self, IdError> {
        format!("{name}-{}", content.short()).parse()
    }

    /// The id as text; safe in keys and paths.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SweepId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        match text.parse::<RunId>() {
            Ok(RunId(id)) => Ok(Self(id)),
            Err(_) => Err(IdError::Sweep(text.to_owned())),
        }
    }
}

impl fmt::Display for SweepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

serde_as_text!(SweepId);

/// A pool of chunks that the same loaded nets can serve: `p{priority}-0123456789abcdef`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PoolId(String);

impl PoolId {
    /// The pool of a model set at a priority; higher is served first.
    pub fn new(priority: u8, models: &Digest) -> Self {
        Self(format!("p{priority}-{}", models.short()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The priority in the name.
    pub fn priority(&self) -> u8 {
        split_pool(&self.0).map_or(0, |(priority, _)| priority)
    }
}

fn split_pool(text: &str) -> Option<(u8, &str)> {
    let (priority, hex) = text.strip_prefix('p')?.split_once('-')?;
    Some((priority.parse().ok()?, hex))
}

impl FromStr for PoolId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        match split_pool(text) {
            Some((_, hex)) if hex.len() == 16 && is_lower_hex(hex) => Ok(Self(text.to_owned())),
            _ => Err(IdError::Pool(text.to_owned())),
        }
    }
}

impl fmt::Display for PoolId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

serde_as_text!(PoolId);

fn is_lower_hex(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// Text that names nothing of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Not 64 lower-case hex digits.
    #[error("`{0}` is no sha256: give 64 lower-case hex digits")]
    Digest(String),
    /// Not `name-` and 16 hex digits.
    #[error("`{0}` is no run: give it as printed by submit, a name and 16 hex digits")]
    Run(String),
    /// Not `name-` and 16 hex digits.
    #[error("`{0}` is no sweep: its form is a name of `a-z`, `0-9`, `-` and 16 hex digits")]
    Sweep(String),
    /// Not `p{priority}-` and 16 hex digits.
    #[error("`{0}` is no pool: its form is `p0-0123456789abcdef`")]
    Pool(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_of_abc_is_the_published_one() {
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Digest::of(b"abc").to_string(), text);
        assert_eq!(text.parse(), Ok(Digest::of(b"abc")));
        assert!(text.to_uppercase().parse::<Digest>().is_err());
    }

    #[test]
    fn ids_refuse_what_could_leave_their_key() {
        for text in [
            "",
            "x",
            "a/b-0123456789abcdef",
            "-a-0123456789abcdef",
            "a-0123456789abcdeg",
            "é-0123456789abcdef",
        ] {
            assert!(text.parse::<RunId>().is_err(), "{text}");
        }
        assert_eq!("my-run-0123456789abcdef".parse::<RunId>().unwrap().as_str(), "my-run-0123456789abcdef");
        assert!("p256-0123456789abcdef".parse::<PoolId>().is_err());
        assert_eq!("p7-0123456789abcdef".parse::<PoolId>().unwrap().priority(), 7);
    }
}
