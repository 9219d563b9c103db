//! A position in a pickle.

use bytes::Bytes;

use super::error::{Problem, Result};

/// Longest line of the text opcodes.
const MAX_LINE_BYTES: usize = 1000;

/// Hands out parts of the file without copying them.
#[derive(Debug)]
pub struct Cursor {
    bytes: Bytes,
    at: usize,
}

impl Cursor {
    /// Reads from `at`, which is at most the length.
    pub fn new(bytes: Bytes, at: usize) -> Self {
        Self { bytes, at }
    }

    /// Bytes from the start.
    pub fn offset(&self) -> usize {
        self.at
    }

    /// How many bytes have not been read.
    pub fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    pub fn take(&mut self, len: u64) -> Result<Bytes> {
        let len = usize::try_from(len).ok().filter(|&len| len <= self.left()).ok_or(Problem::Truncated)?;
        self.at += len;
        Ok(self.bytes.slice(self.at - len..self.at))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let array = self.bytes[self.at..].first_chunk().copied().ok_or(Problem::Truncated)?;
        self.at += N;
        Ok(array)
    }

    pub fn u8(&mut self) -> Result<u8> {
        self.array().map(u8::from_le_bytes)
    }

    pub fn u16(&mut self) -> Result<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub fn i32(&mut self) -> Result<i32> {
        self.array().map(i32::from_le_bytes)
    }

    pub fn u64(&mut self) -> Result<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// Big-endian, as BINFLOAT has it.
    pub fn f64(&mut self) -> Result<f64> {
        self.array().map(f64::from_be_bytes)
    }

    /// Up to the next newline, which is passed over.
    pub fn line(&mut self) -> Result<Bytes> {
        let window = &self.bytes[self.at..];
        let window = &window[..window.len().min(MAX_LINE_BYTES + 1)];
        match window.iter().position(|&byte| byte == b'\n') {
            Some(len) => {
                let line = self.take(len as u64)?;
                self.at += 1;
                Ok(line)
            }
            None if window.len() <= MAX_LINE_BYTES => Err(Problem::Truncated),
            None => Err(Problem::TooMany { what: "bytes on a line", limit: MAX_LINE_BYTES as u64 }),
        }
    }

    /// As [`Self::line`], as text.
    pub fn text_line(&mut self) -> Result<Bytes> {
        let line = self.line()?;
        match std::str::from_utf8(&line) {
            Ok(_) => Ok(line),
            Err(_) => Err(Problem::Malformed("a line that is not text")),
        }
    }
}
