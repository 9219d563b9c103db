//! Opcodes that carry their value: numbers, texts, bytes.

use bytes::Bytes;

use super::error::{Problem, Result};
use super::limits::MAX_INT_BYTES;
use super::machine::Machine;
use super::node::Node;
use super::opcode as op;

impl Machine {
    pub(super) fn scalar(&mut self, opcode: u8) -> Result<()> {
        let node = match opcode {
            op::NONE => Node::None,
            op::NEWTRUE => Node::Bool(true),
            op::NEWFALSE => Node::Bool(false),
            op::INT | op::LONG => self.int_line()?,
            op::BININT => Node::Int(self.cursor.i32()?.into()),
            op::BININT1 => Node::Int(self.cursor.u8()?.into()),
            op::BININT2 => Node::Int(self.cursor.u16()?.into()),
            op::LONG1 => {
                let len = self.cursor.u8()?.into();
                self.long(len)?
            }
            op::LONG4 => {
                let len = self.cursor.u32()?.into();
                self.long(len)?
            }
            op::FLOAT => {
                let line = self.cursor.text_line()?;
                let value = std::str::from_utf8(&line).ok().and_then(|text| text.parse().ok());
                Node::Float(value.ok_or(Problem::Malformed("a number that is none"))?)
            }
            _ => Node::Float(self.cursor.f64()?),
        };
        self.push_new(node)
    }

    /// `I00` and `I01` are the truth values of protocol 0; a long ends in `L`.
    fn int_line(&mut self) -> Result<Node> {
        let line = self.cursor.text_line()?;
        let text = std::str::from_utf8(&line).unwrap_or_default();
        match text {
            "00" => Ok(Node::Bool(false)),
            "01" => Ok(Node::Bool(true)),
            _ => {
                let value = text.strip_suffix('L').unwrap_or(text).parse();
                value.map(Node::Int).map_err(|_| Problem::Malformed("a number that is none"))
            }
        }
    }

    /// Little-endian two's complement of `len` bytes.
    fn long(&mut self, len: u64) -> Result<Node> {
        if len > MAX_INT_BYTES as u64 {
            return Err(Problem::TooMany { what: "bytes in a number", limit: MAX_INT_BYTES as u64 });
        }
        let bytes = self.cursor.take(len)?;
        let Some(&last) = bytes.last() else { return Ok(Node::Int(0)) };
        if bytes.len() > 8 {
            return Ok(Node::Long(bytes));
        }
        let mut wide = if last < 0x80 { [0; 8] } else { [0xff; 8] };
        wide[..bytes.len()].copy_from_slice(&bytes);
        Ok(Node::Int(i64::from_le_bytes(wide)))
    }

    pub(super) fn text(&mut self, opcode: u8) -> Result<()> {
        let node = match opcode {
            op::STRING => Node::Str(unquoted(&self.cursor.text_line()?)?),
            op::UNICODE => Node::Str(unescaped(self.cursor.text_line()?)?),
            // Python 2's `str` is text where it can be, as torch's old files have it.
            op::BINSTRING | op::SHORT_BINSTRING => {
                let len = if opcode == op::BINSTRING { self.cursor.u32()? } else { self.cursor.u8()?.into() };
                let bytes = self.cursor.take(len.into())?;
                if std::str::from_utf8(&bytes).is_ok() { Node::Str(bytes) } else { Node::Bytes(bytes) }
            }
            _ => {
                let len = match opcode {
                    op::SHORT_BINUNICODE => self.cursor.u8()?.into(),
                    op::BINUNICODE => self.cursor.u32()?.into(),
                    _ => self.cursor.u64()?,
                };
                let bytes = self.cursor.take(len)?;
                std::str::from_utf8(&bytes).map_err(|_| Problem::Malformed("a text that is not UTF-8"))?;
                Node::Str(bytes)
            }
        };
        let is_long = matches!(&node, Node::Str(text) if text.len() > self.limits.text_bytes);
        self.push_new(node)?;
        if is_long {
            self.no_long_text()?;
            self.long_text = Some(self.top()?);
        }
        Ok(())
    }

    /// What is longer than a text can be has become bytes.
    pub(super) fn no_long_text(&self) -> Result<()> {
        match self.long_text {
            None => Ok(()),
            Some(_) => {
                Err(Problem::TooMany { what: "bytes in a text", limit: self.limits.text_bytes as u64 })
            }
        }
    }

    pub(super) fn bytes(&mut self, opcode: u8) -> Result<()> {
        let len = match opcode {
            op::SHORT_BINBYTES => self.cursor.u8()?.into(),
            op::BINBYTES => self.cursor.u32()?.into(),
            _ => self.cursor.u64()?,
        };
        let bytes = self.cursor.take(len)?;
        self.push_new(Node::Bytes(bytes))
    }
}

/// A Python literal in one of both quotes; what needs escapes does not occur.
fn unquoted(line: &Bytes) -> Result<Bytes> {
    let inner = match line[..] {
        [b'\'', .., b'\''] | [b'"', .., b'"'] => line.slice(1..line.len() - 1),
        _ => return Err(Problem::Malformed("a text without quotes")),
    };
    unescaped(inner)
}

fn unescaped(text: Bytes) -> Result<Bytes> {
    if text.contains(&b'\\') { Err(Problem::Malformed("a text with escapes")) } else { Ok(text) }
}
