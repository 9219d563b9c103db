//! What a pickle holds, as plain data.
//!
//! Values lie in one vector and name each other by their place in it. So a value that lies a million levels deep is
//! dropped without recursion, a list that contains itself is nothing special, and sharing costs four bytes.

use bytes::Bytes;

use super::globals::Global;
use crate::Dtype;

/// Place of a value in the pickle's vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(pub(super) u32);

#[derive(Debug)]
pub(super) enum Node {
    None,
    Bool(bool),
    Int(i64),
    /// An integer beyond 64 bits, little-endian two's complement.
    Long(Bytes),
    Float(f64),
    /// UTF-8.
    Str(Bytes),
    Bytes(Bytes),
    List(Vec<Id>),
    Tuple(Vec<Id>),
    Set(Vec<Id>),
    /// A `dict`, `OrderedDict` or `EasyDict`; of entries with the same key the last counts.
    Dict(Vec<(Id, Id)>),
    Global(Global),
    /// An object of the authors' classes: the name of its class (a text) and its attributes (a dict).
    Object {
        class: Id,
        state: Id,
    },
    /// A `torch.nn.ModuleDict` and its attributes, a dict, once they are there.
    Module(Option<Id>),
    NumpyDtype(Dtype),
    NdArray(Option<Box<NdArray>>),
    Storage(Box<Storage>),
    Tensor(Box<Tensor>),
}

/// A NumPy array at rest.
#[derive(Clone, Debug, PartialEq)]
pub struct NdArray {
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    /// Column-major order.
    pub fortran: bool,
    /// As many as `shape` and `dtype` ask for.
    pub bytes: Bytes,
}

impl NdArray {
    /// How many elements there are.
    pub fn num_elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// The elements in row-major order; none of truth values and bytes, which are no measurements.
    pub fn to_f64(&self) -> Option<Vec<f64>> {
        let values: Vec<f64> = match self.dtype {
            Dtype::I64 => self.bytes.as_chunks().0.iter().map(|&b| i64::from_le_bytes(b) as f64).collect(),
            Dtype::I32 => self.bytes.as_chunks().0.iter().map(|&b| i32::from_le_bytes(b).into()).collect(),
            floating => floating.floats(&self.bytes)?,
        };
        match self.shape[..] {
            [rows, columns] if self.fortran => {
                Some((0..rows * columns).map(|k| values[k % columns * rows + k / columns]).collect())
            }
            _ if self.fortran && self.shape.len() > 2 => None,
            _ => Some(values),
        }
    }
}

/// The memory that tensors share.
#[derive(Clone, Debug, PartialEq)]
pub struct Storage {
    pub dtype: Dtype,
    pub place: Place,
}

/// Where a storage's bytes are.
#[derive(Clone, Debug, PartialEq)]
pub enum Place {
    /// Here.
    Inline(Bytes),
    /// In the file around the pickle, under `key`, UTF-8.
    Keyed {
        key: Bytes,
        num_elements: u64,
        /// First element and number of elements, when it is a part of the storage `key`.
        view: Option<(u64, u64)>,
    },
}

/// A view of a storage.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    pub(super) storage: Id,
    /// In elements.
    pub offset: u64,
    pub shape: Vec<u64>,
    /// In elements.
    pub stride: Vec<u64>,
}
