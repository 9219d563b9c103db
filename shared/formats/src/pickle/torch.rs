//! torch's storages and the tensors that view them.

use super::error::{Problem, Result};
use super::globals::Global;
use super::machine::Machine;
use super::node::{Id, Node, Place, Storage, Tensor};
use crate::torch_file::legacy;

impl Machine {
    pub(super) fn tensor(&self, storage: Id, offset: Id, [shape, stride]: [Id; 2]) -> Result<Tensor> {
        if !matches!(self.node(storage), Node::Storage(_)) {
            return Err(Problem::Malformed("a tensor without a storage"));
        }
        let (shape, stride) = (self.naturals(shape)?, self.naturals(stride)?);
        if shape.len() != stride.len() {
            return Err(Problem::Malformed("a tensor whose shape and strides differ in length"));
        }
        Ok(Tensor { storage, offset: self.natural(offset)?, shape, stride })
    }

    pub(super) fn inline_storage(&mut self, bytes: Id) -> Result<Id> {
        if !self.limits.storages_in_bytes {
            return Err(Problem::Malformed("a storage inside a storage"));
        }
        if let Some(&known) = self.inline.get(&bytes) {
            return Ok(known);
        }
        let Node::Bytes(content) = self.node(bytes) else {
            return Err(Problem::Malformed("another value where a storage's bytes should be"));
        };
        let storage =
            legacy::read_storage(content.clone()).map_err(|error| Problem::Storage(Box::new(error)))?;
        let id = self.add(Node::Storage(Box::new(storage)))?;
        self.inline.insert(bytes, id);
        Ok(id)
    }

    /// `('storage', type, key, location, number of elements[, view])`, in torch's files.
    pub(super) fn persistent_id(&mut self) -> Result<()> {
        let id = self.pop()?;
        let items = self.arguments(id)?;
        let (&[tag, dtype, key, _, count], view) =
            items.split_first_chunk().ok_or(Problem::Malformed("a persistent id that is not torch's"))?;
        if self.text_of(tag)? != &b"storage"[..] {
            return Err(Problem::Malformed("a persistent id that is no storage"));
        }
        let Global::Storage(dtype) = self.callee(dtype)? else {
            return Err(Problem::Malformed("a storage without a type"));
        };
        let view = match *view {
            [] => None,
            [view, ..] => self.storage_view(view)?,
        };
        let place =
            Place::Keyed { key: self.text_of(key)?.clone(), num_elements: self.natural(count)?, view };
        self.push_new(Node::Storage(Box::new(Storage { dtype, place })))
    }

    /// `None` or `(key, first element, number of elements)`.
    fn storage_view(&self, id: Id) -> Result<Option<(u64, u64)>> {
        match self.node(id) {
            Node::None => Ok(None),
            Node::Tuple(_) => match self.arguments(id)?[..] {
                [_, first, count] => Ok(Some((self.natural(first)?, self.natural(count)?))),
                _ => Err(Problem::Malformed("a part of a storage without its bounds")),
            },
            _ => Err(Problem::Malformed("a part of a storage without its bounds")),
        }
    }
}
