//! The pickle machine: opcodes to values.

use std::collections::HashMap;

use bytes::Bytes;

use super::cursor::Cursor;
use super::error::{PickleError, Problem, Result};
use super::limits::Limits;
use super::node::{Id, Node};
use super::opcode as op;

/// Runs one pickle. Nothing in it is executed: names stand for shapes of data, see
/// [`Global`](super::globals::Global).
#[derive(Debug)]
pub struct Machine {
    pub(super) cursor: Cursor,
    pub(super) limits: Limits,
    pub(super) nodes: Vec<Node>,
    pub(super) stack: Vec<Id>,
    /// Heights of the stack at which a mark lies.
    marks: Vec<usize>,
    memo: Vec<Option<Id>>,
    memo_len: usize,
    /// Storages that were read out of bytes, by those bytes: bytes that are shared are read once.
    pub(super) inline: HashMap<Id, Id>,
    /// Bytes that were made of texts, by those texts: likewise.
    pub(super) encoded: HashMap<Id, Id>,
    /// A text longer than any that is one: bytes to be, as protocol 2 has them.
    pub(super) long_text: Option<Id>,
    steps: u64,
}

/// What a pickle left.
#[derive(Debug)]
pub struct Finished {
    pub nodes: Vec<Node>,
    pub root: Id,
    /// Where the pickle ends, from the start of the file.
    pub end: usize,
}

impl Machine {
    /// For the pickle that begins at byte `start` of the file.
    pub fn new(file: Bytes, start: usize, limits: Limits) -> Self {
        Self {
            cursor: Cursor::new(file, start),
            limits,
            nodes: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: Vec::new(),
            memo_len: 0,
            inline: HashMap::new(),
            encoded: HashMap::new(),
            long_text: None,
            steps: 0,
        }
    }

    /// Runs to the STOP.
    pub fn run(mut self) -> std::result::Result<Finished, PickleError> {
        loop {
            let offset = self.cursor.offset();
            match self.step() {
                Ok(None) => {}
                Ok(Some(root)) => return Ok(Finished { root, end: self.cursor.offset(), nodes: self.nodes }),
                Err(problem) => return Err(PickleError { offset, problem }),
            }
        }
    }

    /// One opcode; gives the outermost value at the end.
    fn step(&mut self) -> Result<Option<Id>> {
        self.spend(1)?;
        let opcode = self.cursor.u8()?;
        match opcode {
            op::STOP => {
                self.no_long_text()?;
                return self.pop().map(Some);
            }
            op::PROTO | op::FRAME | op::MARK | op::POP | op::POP_MARK | op::DUP => {
                self.housekeeping(opcode)?
            }
            op::NONE | op::NEWTRUE | op::NEWFALSE | op::INT | op::BININT | op::BININT1 | op::BININT2 => {
                self.scalar(opcode)?;
            }
            op::LONG | op::LONG1 | op::LONG4 | op::FLOAT | op::BINFLOAT => self.scalar(opcode)?,
            op::STRING | op::BINSTRING | op::SHORT_BINSTRING | op::UNICODE | op::BINUNICODE => {
                self.text(opcode)?;
            }
            op::SHORT_BINUNICODE | op::BINUNICODE8 => self.text(opcode)?,
            op::BINBYTES | op::SHORT_BINBYTES | op::BINBYTES8 | op::BYTEARRAY8 => self.bytes(opcode)?,
            op::EMPTY_LIST | op::LIST | op::APPEND | op::APPENDS => self.list(opcode)?,
            op::EMPTY_TUPLE | op::TUPLE | op::TUPLE1 | op::TUPLE2 | op::TUPLE3 => self.tuple(opcode)?,
            op::EMPTY_DICT | op::DICT | op::SETITEM | op::SETITEMS => self.dict(opcode)?,
            op::EMPTY_SET | op::ADDITEMS | op::FROZENSET => self.set(opcode)?,
            op::PUT | op::BINPUT | op::LONG_BINPUT | op::MEMOIZE => self.put(opcode)?,
            op::GET | op::BINGET | op::LONG_BINGET => self.get(opcode)?,
            op::GLOBAL | op::STACK_GLOBAL => self.global(opcode)?,
            op::REDUCE => self.reduce()?,
            op::NEWOBJ => self.new_object()?,
            op::BUILD => self.build()?,
            op::BINPERSID => self.persistent_id()?,
            _ => return Err(Problem::Opcode(opcode)),
        }
        Ok(None)
    }

    fn housekeeping(&mut self, opcode: u8) -> Result<()> {
        match opcode {
            op::PROTO if self.cursor.u8()? > 5 => return Err(Problem::Malformed("a protocol above 5")),
            op::PROTO => {}
            op::FRAME => {
                let len = self.cursor.u64()?;
                if len > self.cursor.left() as u64 {
                    return Err(Problem::Truncated);
                }
            }
            op::MARK => {
                within("containers in each other", self.marks.len(), self.limits.depth)?;
                self.marks.push(self.stack.len());
            }
            op::POP if self.marks.last() == Some(&self.stack.len()) => drop(self.marks.pop()),
            op::POP => drop(self.pop()?),
            op::POP_MARK => drop(self.pop_mark()?),
            _ => self.push(self.top()?)?,
        }
        Ok(())
    }

    /// Accounts for work that a few bytes of the file can ask for.
    pub(super) fn spend(&mut self, steps: usize) -> Result<()> {
        self.steps += steps as u64;
        if self.steps > self.limits.steps {
            return Err(Problem::TooMany { what: "steps", limit: self.limits.steps });
        }
        Ok(())
    }

    pub(super) fn push(&mut self, id: Id) -> Result<()> {
        within("values on the stack", self.stack.len(), self.limits.values)?;
        self.stack.push(id);
        Ok(())
    }

    pub(super) fn push_new(&mut self, node: Node) -> Result<()> {
        let id = self.add(node)?;
        self.push(id)
    }

    pub(super) fn add(&mut self, node: Node) -> Result<Id> {
        within("values", self.nodes.len(), self.limits.values)?;
        self.nodes.push(node);
        Ok(Id(self.nodes.len() as u32 - 1))
    }

    pub(super) fn pop(&mut self) -> Result<Id> {
        let floor = self.marks.last().copied().unwrap_or(0);
        let id = self.stack.pop().filter(|_| self.stack.len() >= floor);
        id.ok_or(Problem::Malformed("nothing on the stack where a value should be"))
    }

    pub(super) fn top(&self) -> Result<Id> {
        let floor = self.marks.last().copied().unwrap_or(0);
        let id = self.stack.last().copied().filter(|_| self.stack.len() > floor);
        id.ok_or(Problem::Malformed("nothing on the stack where a value should be"))
    }

    /// What lies above the last mark, which goes with it.
    pub(super) fn pop_mark(&mut self) -> Result<Vec<Id>> {
        let mark = self.marks.pop().ok_or(Problem::Malformed("no mark where one should be"))?;
        Ok(self.stack.split_off(mark))
    }

    pub(super) fn node(&self, id: Id) -> &Node {
        &self.nodes[id.0 as usize]
    }

    pub(super) fn node_mut(&mut self, id: Id) -> &mut Node {
        &mut self.nodes[id.0 as usize]
    }

    fn put(&mut self, opcode: u8) -> Result<()> {
        let index = match opcode {
            op::PUT => self.index_line()?,
            op::BINPUT => self.cursor.u8()?.into(),
            op::LONG_BINPUT => self.cursor.u32()? as usize,
            _ => self.memo_len,
        };
        within("entries in the memo", index, self.limits.values)?;
        let top = self.top()?;
        if index >= self.memo.len() {
            self.memo.resize(index + 1, None);
        }
        if self.memo[index].replace(top).is_none() {
            self.memo_len += 1;
        }
        Ok(())
    }

    fn get(&mut self, opcode: u8) -> Result<()> {
        let index = match opcode {
            op::GET => self.index_line()?,
            op::BINGET => self.cursor.u8()?.into(),
            _ => self.cursor.u32()? as usize,
        };
        let id = self.memo.get(index).copied().flatten();
        self.push(id.ok_or(Problem::Malformed("a value of the memo that was not put there"))?)
    }

    fn index_line(&mut self) -> Result<usize> {
        let line = self.cursor.text_line()?;
        let index = std::str::from_utf8(&line).ok().and_then(|text| text.parse().ok());
        index.ok_or(Problem::Malformed("a place in the memo that is no number"))
    }
}

fn within(what: &'static str, count: usize, limit: usize) -> Result<()> {
    if count < limit { Ok(()) } else { Err(Problem::TooMany { what, limit: limit as u64 }) }
}
