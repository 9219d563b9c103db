//! Looking at a pickle's values.

use bytes::Bytes;

use super::Pickle;
use super::node::{Id, NdArray, Node, Storage, Tensor};

/// One value of a pickle. Values may be shared and may contain themselves: a walk needs a bound.
#[derive(Clone, Copy, Debug)]
pub struct Value<'a> {
    pickle: &'a Pickle,
    id: Id,
}

impl<'a> Value<'a> {
    pub(super) fn new(pickle: &'a Pickle, id: Id) -> Self {
        Self { pickle, id }
    }

    fn node(self) -> &'a Node {
        &self.pickle.nodes[self.id.0 as usize]
    }

    /// Tells values of one pickle apart.
    pub fn id(self) -> Id {
        self.id
    }

    /// What it is, for people.
    pub fn kind(self) -> &'static str {
        match self.node() {
            Node::None => "None",
            Node::Bool(_) => "a truth value",
            Node::Int(_) | Node::Long(_) | Node::Float(_) => "a number",
            Node::Str(_) => "a text",
            Node::Bytes(_) => "bytes",
            Node::List(_) => "a list",
            Node::Tuple(_) => "a tuple",
            Node::Set(_) => "a set",
            Node::Dict(_) => "a dict",
            Node::Global(_) | Node::NumpyDtype(_) => "a name",
            Node::Object { .. } | Node::Module(_) => "an object",
            Node::NdArray(_) => "an array",
            Node::Storage(_) => "a storage",
            Node::Tensor(_) => "a tensor",
        }
    }

    pub fn is_none(self) -> bool {
        matches!(self.node(), Node::None)
    }

    pub fn as_bool(self) -> Option<bool> {
        if let Node::Bool(value) = self.node() { Some(*value) } else { None }
    }

    pub fn as_int(self) -> Option<i64> {
        if let Node::Int(value) = self.node() { Some(*value) } else { None }
    }

    pub fn as_float(self) -> Option<f64> {
        if let Node::Float(value) = self.node() { Some(*value) } else { None }
    }

    /// The little-endian bytes of an integer beyond 64 bits.
    pub fn as_long(self) -> Option<&'a Bytes> {
        if let Node::Long(bytes) = self.node() { Some(bytes) } else { None }
    }

    pub fn as_str(self) -> Option<&'a str> {
        if let Node::Str(text) = self.node() { std::str::from_utf8(text).ok() } else { None }
    }

    fn is_str(self, text: &str) -> bool {
        matches!(self.node(), Node::Str(bytes) if *bytes == text.as_bytes())
    }

    /// The items of a list or tuple.
    pub fn items(self) -> Option<impl ExactSizeIterator<Item = Self> + use<'a>> {
        match self.node() {
            Node::List(items) | Node::Tuple(items) => Some(items.iter().map(move |&id| Self { id, ..self })),
            _ => None,
        }
    }

    /// The entries of a dict as they were set.
    pub fn entries(self) -> Option<impl ExactSizeIterator<Item = (Self, Self)> + use<'a>> {
        match self.node() {
            Node::Dict(entries) => Some(
                entries
                    .iter()
                    .map(move |&(key, value)| (Self { id: key, ..self }, Self { id: value, ..self })),
            ),
            _ => None,
        }
    }

    /// The entry of a dict under a text. Looks at every entry: see [`Self::entries`] for many of them.
    pub fn get(self, key: &str) -> Option<Self> {
        self.entries()?.filter(|(k, _)| k.is_str(key)).last().map(|(_, value)| value)
    }

    /// The class and the attributes (a dict) of an object of the authors' classes, or of a `ModuleDict`.
    pub fn as_object(self) -> Option<(&'a str, Self)> {
        match *self.node() {
            Node::Object { class, state } => {
                Some((Self { id: class, ..self }.as_str()?, Self { id: state, ..self }))
            }
            Node::Module(Some(state)) => Some(("ModuleDict", Self { id: state, ..self })),
            _ => None,
        }
    }

    pub fn as_array(self) -> Option<&'a NdArray> {
        if let Node::NdArray(Some(array)) = self.node() { Some(array) } else { None }
    }

    pub fn as_storage(self) -> Option<&'a Storage> {
        if let Node::Storage(storage) = self.node() { Some(storage) } else { None }
    }

    /// A tensor and the storage that it views.
    pub fn as_tensor(self) -> Option<(&'a Tensor, &'a Storage)> {
        let Node::Tensor(tensor) = self.node() else { return None };
        Some((tensor, Self { id: tensor.storage, ..self }.as_storage()?))
    }
}
