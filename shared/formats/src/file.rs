//! Whole files in memory.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use bytes::Bytes;

use crate::FormatError;

/// More than twice the largest published net in float32.
const MAX_FILE_BYTES: u64 = 16 << 30;

/// The bytes of a file, unless it is larger than any file read here.
pub fn read(path: &Path) -> Result<Bytes, FormatError> {
    let mut file = File::open(path)?;
    let len = file.metadata()?.len();
    let limit = MAX_FILE_BYTES;
    if len > limit {
        return Err(FormatError::TooLarge { what: "length in bytes", value: len, limit });
    }
    let mut bytes = Vec::with_capacity(len as usize);
    file.by_ref().take(limit).read_to_end(&mut bytes)?;
    Ok(bytes.into())
}
