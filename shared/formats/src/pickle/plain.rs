//! What older protocols have to call a name for: bytes, and numbers of NumPy's.

use bytes::Bytes;

use super::error::{Problem, Result};
use super::machine::Machine;
use super::node::{Id, Node};
use crate::Dtype;

impl Machine {
    /// A text of Latin-1 as the bytes that it stands for. A text is converted once, however often it is used: what is
    /// copied is never more than the file.
    pub(super) fn encoded(&mut self, text: Id, encoding: Id) -> Result<Id> {
        if !matches!(&self.text_of(encoding)?[..], b"latin1" | b"latin-1") {
            return Err(Problem::Malformed("bytes in another encoding than Latin-1"));
        }
        if let Some(&known) = self.encoded.get(&text) {
            return Ok(known);
        }
        let utf8 = self.text_of(text)?.clone();
        let bytes = if utf8.is_ascii() { utf8 } else { latin_1(&utf8)? };
        let id = self.add(Node::Bytes(bytes))?;
        self.encoded.insert(text, id);
        if self.long_text == Some(text) {
            self.long_text = None;
        }
        Ok(id)
    }

    /// `bytes(b)` and `bytearray(b)`.
    pub(super) fn same_bytes(&self, bytes: Id) -> Result<Id> {
        match self.node(bytes) {
            Node::Bytes(_) => Ok(bytes),
            _ => Err(Problem::Malformed("bytes of what are none")),
        }
    }

    /// A number from its type and its bytes.
    pub(super) fn number(&self, dtype: Id, bytes: Id) -> Result<Node> {
        let Node::NumpyDtype(dtype) = *self.node(dtype) else {
            return Err(Problem::Malformed("a number without a type"));
        };
        let bytes = self.bytes_of(bytes)?;
        if bytes.len() != dtype.size() {
            return Err(Problem::Malformed("a number of more or fewer bytes than its type has"));
        }
        let whole = |bytes: &[u8]| {
            let fill = if dtype != Dtype::U8 && bytes[bytes.len() - 1] >= 0x80 { 0xff } else { 0 };
            let mut wide = [fill; 8];
            wide[..bytes.len()].copy_from_slice(bytes);
            i64::from_le_bytes(wide)
        };
        Ok(match (dtype.floats(bytes).as_deref(), dtype) {
            (Some(&[value]), _) => Node::Float(value),
            (_, Dtype::Bool) => Node::Bool(bytes[0] != 0),
            _ => Node::Int(whole(bytes)),
        })
    }

    /// Bytes; Python 2's are texts where they can be.
    pub(super) fn bytes_of(&self, id: Id) -> Result<&Bytes> {
        match self.node(id) {
            Node::Bytes(bytes) | Node::Str(bytes) => Ok(bytes),
            _ => Err(Problem::Malformed("another value where bytes should be")),
        }
    }
}

fn latin_1(utf8: &Bytes) -> Result<Bytes> {
    let text = std::str::from_utf8(utf8).unwrap_or_default();
    let bytes: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
    bytes.map(Bytes::from).ok_or(Problem::Malformed("bytes as a text that is not Latin-1"))
}
