//! Names, and what stands where Python would call them.

use bytes::Bytes;

use super::error::{Problem, Result};
use super::globals::Global;
use super::limits::MAX_DIMS;
use super::machine::Machine;
use super::node::{Id, Node};
use super::opcode as op;

impl Machine {
    pub(super) fn global(&mut self, opcode: u8) -> Result<()> {
        let (module, name) = if opcode == op::GLOBAL {
            (self.cursor.text_line()?, self.cursor.text_line()?)
        } else {
            let (name, module) = (self.pop()?, self.pop()?);
            (self.text_of(module)?.clone(), self.text_of(name)?.clone())
        };
        let text = |bytes| std::str::from_utf8(bytes).unwrap_or_default();
        let (module, name) = (text(&module), text(&name));
        let global = Global::named(module, name).ok_or_else(|| Problem::global(module, name))?;
        self.push_new(Node::Global(global))
    }

    /// A call of a name, with a tuple of arguments.
    pub(super) fn reduce(&mut self) -> Result<()> {
        let (arguments, callee) = (self.pop()?, self.pop()?);
        let arguments = self.arguments(arguments)?;
        let result = match (self.callee(callee)?, &arguments[..]) {
            (Global::OrderedDict | Global::EasyDict, []) => self.add(Node::Dict(Vec::new()))?,
            (Global::PersistentObject, &[meta]) => self.persistent_object(meta)?,
            (Global::RebuildParameter, &[tensor, _, _]) => match self.node(tensor) {
                Node::Tensor(_) => tensor,
                _ => return Err(Problem::Malformed("a parameter that is no tensor")),
            },
            (Global::RebuildTensor, &[storage, offset, shape, stride, ..]) => {
                let tensor = self.tensor(storage, offset, [shape, stride])?;
                self.add(Node::Tensor(Box::new(tensor)))?
            }
            (Global::LoadFromBytes, &[bytes]) => self.inline_storage(bytes)?,
            (Global::NumpyReconstruct, &[class, _, _]) => match self.node(class) {
                Node::Global(Global::NumpyArray) => self.add(Node::NdArray(None))?,
                _ => return Err(Problem::Malformed("an array of another class than ndarray")),
            },
            (Global::NumpyDtype, &[name, ..]) => self.dtype(name)?,
            (Global::NumpyFromBuffer, &[bytes, dtype, shape, order]) => {
                let array = self.array_of_buffer(bytes, dtype, [shape, order])?;
                self.add(Node::NdArray(Some(Box::new(array))))?
            }
            (Global::NumpyScalar, &[dtype, bytes]) => {
                let number = self.number(dtype, bytes)?;
                self.add(number)?
            }
            (Global::Encode, &[text, encoding]) => self.encoded(text, encoding)?,
            (Global::Bytes | Global::ByteArray, []) => self.add(Node::Bytes(Bytes::new()))?,
            (Global::Bytes | Global::ByteArray, &[bytes]) => self.same_bytes(bytes)?,
            (Global::ByteArray, &[text, encoding]) => self.encoded(text, encoding)?,
            (Global::Set, &[items]) => match self.node(items) {
                Node::List(items) => {
                    let items = items.clone();
                    self.spend(items.len())?;
                    self.add(Node::Set(items))?
                }
                _ => return Err(Problem::Malformed("a set of what is no list")),
            },
            _ => return Err(Problem::Malformed("a call whose arguments are not the known ones")),
        };
        self.push(result)
    }

    pub(super) fn new_object(&mut self) -> Result<()> {
        let (arguments, class) = (self.pop()?, self.pop()?);
        let node = match (self.callee(class)?, &self.arguments(arguments)?[..]) {
            (Global::EasyDict | Global::OrderedDict, []) => Node::Dict(Vec::new()),
            (Global::ModuleDict, []) => Node::Module(None),
            _ => return Err(Problem::Malformed("a new object whose arguments are not the known ones")),
        };
        self.push_new(node)
    }

    pub(super) fn callee(&self, id: Id) -> Result<Global> {
        match self.node(id) {
            Node::Global(global) => Ok(*global),
            _ => Err(Problem::Malformed("a call of what is no name")),
        }
    }

    /// The few arguments that any known name takes.
    pub(super) fn arguments(&self, id: Id) -> Result<Vec<Id>> {
        match self.node(id) {
            Node::Tuple(items) if items.len() <= 8 => Ok(items.clone()),
            Node::Tuple(_) => Err(Problem::Malformed("a call with more arguments than any known one takes")),
            _ => Err(Problem::Malformed("arguments that are no tuple")),
        }
    }

    pub(super) fn text_of(&self, id: Id) -> Result<&Bytes> {
        match self.node(id) {
            Node::Str(text) => Ok(text),
            _ => Err(Problem::Malformed("another value where a text should be")),
        }
    }

    pub(super) fn natural(&self, id: Id) -> Result<u64> {
        match self.node(id) {
            &Node::Int(value) => value.try_into().map_err(|_| Problem::Malformed("a negative size")),
            _ => Err(Problem::Malformed("another value where a size should be")),
        }
    }

    /// A tuple of sizes or strides.
    pub(super) fn naturals(&self, id: Id) -> Result<Vec<u64>> {
        match self.node(id) {
            Node::Tuple(items) if items.len() > MAX_DIMS => {
                Err(Problem::TooMany { what: "dimensions", limit: MAX_DIMS as u64 })
            }
            Node::Tuple(items) => items.iter().map(|&item| self.natural(item)).collect(),
            _ => Err(Problem::Malformed("a shape that is no tuple")),
        }
    }

    fn persistent_object(&mut self, meta: Id) -> Result<Id> {
        let (Some(kind), Some(class), Some(state)) =
            (self.entry(meta, "type")?, self.entry(meta, "class_name")?, self.entry(meta, "state")?)
        else {
            return Err(Problem::Malformed("an object without `type`, `class_name` or `state`"));
        };
        if self.text_of(kind)? != &b"class"[..] {
            return Err(Problem::Malformed("a persistent object that is no class"));
        }
        self.text_of(class)?;
        match self.node(state) {
            Node::Dict(_) => self.add(Node::Object { class, state }),
            _ => Err(Problem::Malformed("an object whose attributes are no dict")),
        }
    }

    /// The last entry of a dict under a key.
    fn entry(&mut self, dict: Id, key: &str) -> Result<Option<Id>> {
        let Node::Dict(entries) = self.node(dict) else {
            return Err(Problem::Malformed("another value where a dict should be"));
        };
        let len = entries.len();
        self.spend(len)?;
        let Node::Dict(entries) = self.node(dict) else { return Ok(None) };
        let is_it = |id: Id| matches!(self.node(id), Node::Str(text) if *text == key.as_bytes());
        Ok(entries.iter().rev().find(|&&(k, _)| is_it(k)).map(|&(_, value)| value))
    }

    /// The state of an object that is on the stack.
    pub(super) fn build(&mut self) -> Result<()> {
        let state = self.pop()?;
        let object = self.top()?;
        match self.node(object) {
            Node::Module(None) if matches!(self.node(state), Node::Dict(_)) => {
                *self.node_mut(object) = Node::Module(Some(state));
            }
            // Attributes of a dict, such as the `_metadata` of a state dict: nothing that is of use here.
            Node::Dict(_) if matches!(self.node(state), Node::Dict(_)) => {}
            Node::NdArray(None) => {
                let array = self.array(state)?;
                *self.node_mut(object) = Node::NdArray(Some(Box::new(array)));
            }
            Node::NumpyDtype(_) => self.check_dtype(state)?,
            _ => return Err(Problem::Malformed("a state that does not fit its object")),
        }
        Ok(())
    }
}
