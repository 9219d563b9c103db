//! NumPy's arrays and types.

use super::error::{Problem, Result};
use super::globals::numpy_dtype;
use super::machine::Machine;
use super::node::{Id, NdArray, Node};

impl Machine {
    pub(super) fn dtype(&mut self, name: Id) -> Result<Id> {
        let name = std::str::from_utf8(self.text_of(name)?).unwrap_or_default();
        let dtype = numpy_dtype(name.trim_start_matches(['<', '|', '=']));
        let dtype = dtype.ok_or(Problem::Malformed("an array of a type that is not read here"))?;
        self.add(Node::NumpyDtype(dtype))
    }

    /// `(1, shape, dtype, fortran, bytes)`.
    pub(super) fn array(&self, state: Id) -> Result<NdArray> {
        let [_, shape, dtype, fortran, bytes] = self.arguments(state)?[..] else {
            return Err(Problem::Malformed("an array whose state is not NumPy's"));
        };
        let &Node::Bool(fortran) = self.node(fortran) else {
            return Err(Problem::Malformed("an array whose state is not NumPy's"));
        };
        self.array_of([bytes, dtype, shape], fortran)
    }

    /// `(bytes, dtype, shape, 'C' or 'F')`.
    pub(super) fn array_of_buffer(&self, bytes: Id, dtype: Id, [shape, order]: [Id; 2]) -> Result<NdArray> {
        let fortran = match &self.text_of(order)?[..] {
            b"C" => false,
            b"F" => true,
            _ => return Err(Problem::Malformed("an array in an order that is neither `C` nor `F`")),
        };
        self.array_of([bytes, dtype, shape], fortran)
    }

    fn array_of(&self, [bytes, dtype, shape]: [Id; 3], fortran: bool) -> Result<NdArray> {
        let &Node::NumpyDtype(dtype) = self.node(dtype) else {
            return Err(Problem::Malformed("an array without a type"));
        };
        let bytes = self.bytes_of(bytes)?;
        let shape = self.naturals(shape)?;
        let size = shape.iter().try_fold(dtype.size() as u64, |n, &d| n.checked_mul(d));
        if size != Some(bytes.len() as u64) {
            return Err(Problem::Malformed("an array whose shape asks for more or fewer bytes than it has"));
        }
        let shape = shape.into_iter().map(|d| d as usize).collect();
        Ok(NdArray { dtype, shape, fortran, bytes: bytes.clone() })
    }

    /// `(3, '<', …)`: the order of the bytes.
    pub(super) fn check_dtype(&self, state: Id) -> Result<()> {
        let order = match self.arguments(state)?[..] {
            [_, order, ..] => self.text_of(order)?,
            _ => return Err(Problem::Malformed("a NumPy type whose state is not NumPy's")),
        };
        match &order[..] {
            b"<" | b"|" | b"=" => Ok(()),
            _ => Err(Problem::Malformed("big-endian numbers")),
        }
    }
}
