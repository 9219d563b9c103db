//! A pickle machine that runs nothing.
//!
//! A pickle is a program: Python's own reader calls whatever it names. This one knows the few names that nets, state
//! dicts and statistics use, each as a shape of plain data, and refuses any other with the name and its place. It reads
//! protocols 0 to 5, shares the file's bytes instead of copying them, and its time and memory are bounded by
//! [`Limits`] and the file's length, whatever the file holds.

mod call;
mod container;
mod cursor;
mod error;
mod globals;
mod limits;
mod literal;
mod machine;
mod node;
mod numpy;
mod opcode;
mod plain;
mod torch;
mod value;
mod writer;

use bytes::Bytes;

pub use error::{PickleError, Problem};
pub(crate) use globals::numpy_dtype;
pub use limits::Limits;
pub use node::{NdArray, Place, Storage, Tensor};
pub use value::Value;
pub use writer::Writer;

use node::{Id, Node};

/// The values of one pickle.
#[derive(Debug)]
pub struct Pickle {
    nodes: Vec<Node>,
    root: Id,
}

impl Pickle {
    /// Reads the pickle at byte `start` of `file`; gives also where it ends.
    ///
    /// # Errors
    /// A pickle that is damaged, names something unknown or asks for more than `limits`.
    pub fn read(file: &Bytes, start: usize, limits: Limits) -> Result<(Self, usize), PickleError> {
        let finished = machine::Machine::new(file.clone(), start, limits).run()?;
        Ok((Self { nodes: finished.nodes, root: finished.root }, finished.end))
    }

    /// Reads a pickle that is the whole of `bytes`.
    ///
    /// # Errors
    /// As [`Self::read`], or bytes after the pickle.
    pub fn whole(bytes: &Bytes) -> Result<Self, PickleError> {
        let (pickle, end) = Self::read(bytes, 0, Limits::FILE)?;
        if end != bytes.len() {
            return Err(PickleError { offset: end, problem: Problem::Malformed("bytes after the end") });
        }
        Ok(pickle)
    }

    /// The outermost value.
    pub fn root(&self) -> Value<'_> {
        self.value(self.root)
    }

    /// Every storage in it.
    pub fn storages(&self) -> impl Iterator<Item = &Storage> {
        self.nodes.iter().filter_map(|node| match node {
            Node::Storage(storage) => Some(&**storage),
            _ => None,
        })
    }

    fn value(&self, id: Id) -> Value<'_> {
        Value::new(self, id)
    }
}
