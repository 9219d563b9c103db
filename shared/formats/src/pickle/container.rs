//! Lists, tuples, dicts and sets.

use super::error::{Problem, Result};
use super::machine::Machine;
use super::node::{Id, Node};
use super::opcode as op;

impl Machine {
    pub(super) fn list(&mut self, opcode: u8) -> Result<()> {
        let items = match opcode {
            op::EMPTY_LIST => return self.push_new(Node::List(Vec::new())),
            op::LIST => {
                let items = self.pop_mark()?;
                return self.push_new(Node::List(items));
            }
            op::APPEND => vec![self.pop()?],
            _ => self.pop_mark()?,
        };
        let top = self.top()?;
        match self.node_mut(top) {
            Node::List(list) => list.extend(items),
            _ => return Err(Problem::Malformed("items for what is no list")),
        }
        Ok(())
    }

    pub(super) fn tuple(&mut self, opcode: u8) -> Result<()> {
        let mut items = match opcode {
            op::TUPLE => self.pop_mark()?,
            op::EMPTY_TUPLE => Vec::new(),
            _ => {
                let count = usize::from(opcode - op::TUPLE1) + 1;
                let mut items = (0..count).map(|_| self.pop()).collect::<Result<Vec<Id>>>()?;
                items.reverse();
                items
            }
        };
        items.shrink_to_fit();
        self.push_new(Node::Tuple(items))
    }

    pub(super) fn dict(&mut self, opcode: u8) -> Result<()> {
        let pairs = match opcode {
            op::EMPTY_DICT => return self.push_new(Node::Dict(Vec::new())),
            op::DICT => {
                let pairs = paired(&self.pop_mark()?)?;
                return self.push_new(Node::Dict(pairs));
            }
            op::SETITEM => {
                let value = self.pop()?;
                vec![(self.pop()?, value)]
            }
            _ => paired(&self.pop_mark()?)?,
        };
        let top = self.top()?;
        match self.node_mut(top) {
            Node::Dict(dict) => dict.extend(pairs),
            _ => return Err(Problem::Malformed("entries for what is no dict")),
        }
        Ok(())
    }

    pub(super) fn set(&mut self, opcode: u8) -> Result<()> {
        if opcode == op::EMPTY_SET {
            return self.push_new(Node::Set(Vec::new()));
        }
        let items = self.pop_mark()?;
        if opcode == op::FROZENSET {
            return self.push_new(Node::Set(items));
        }
        let top = self.top()?;
        match self.node_mut(top) {
            Node::Set(set) => set.extend(items),
            _ => return Err(Problem::Malformed("items for what is no set")),
        }
        Ok(())
    }
}

fn paired(items: &[Id]) -> Result<Vec<(Id, Id)>> {
    match items.as_chunks() {
        (pairs, []) => Ok(pairs.iter().map(|&[key, value]| (key, value)).collect()),
        _ => Err(Problem::Malformed("a key without a value")),
    }
}
