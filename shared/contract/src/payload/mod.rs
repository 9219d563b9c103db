//! What a chunk's data objects hold: named tensors as safetensors bytes.
//!
//! The bytes are a function of the tensors alone (names sorted, no metadata), so equal content gives an equal
//! digest (I2). Every chunk object carries `seeds` and `labels` beside its data: a reader needs nothing else.

mod chunk;
mod error;
mod tensor;

pub use chunk::{ChunkObject, NO_LABEL};
pub use error::PayloadError;
pub use tensor::{Dtype, Tensor};

use std::{borrow::Borrow, collections::HashMap};

use safetensors::SafeTensors;
use safetensors::tensor::TensorView;

/// The safetensors bytes of `tensors`: the same for any order of the slice.
///
/// # Errors
/// When a name comes twice, or a tensor's data does not fit its shape.
pub fn encode<T: Borrow<Tensor>>(tensors: &[T]) -> Result<Vec<u8>, PayloadError> {
    encode_with(tensors, None)
}

/// As [`encode`], with one key of metadata: for files on their own, never for objects of a run.
///
/// # Errors
/// As [`encode`].
pub fn encode_named(tensors: &[Tensor], (key, value): (&str, &str)) -> Result<Vec<u8>, PayloadError> {
    encode_with(tensors, Some([(key.to_owned(), value.to_owned())].into()))
}

fn encode_with<T: Borrow<Tensor>>(
    tensors: &[T],
    metadata: Option<HashMap<String, String>>,
) -> Result<Vec<u8>, PayloadError> {
    let mut views = Vec::with_capacity(tensors.len());
    for tensor in tensors.iter().map(T::borrow) {
        tensor.check()?;
        if views.iter().any(|(name, _): &(&str, TensorView<'_>)| *name == tensor.name) {
            return Err(PayloadError::Duplicate { name: tensor.name.clone() });
        }
        let view = TensorView::new(tensor.dtype.into(), tensor.shape.clone(), &tensor.data)?;
        views.push((tensor.name.as_str(), view));
    }
    Ok(safetensors::serialize(views, metadata)?)
}

/// The tensors of a safetensors buffer, sorted by name.
///
/// # Errors
/// When the bytes are damaged, or hold a dtype that no object of ours has.
pub fn decode(bytes: &[u8]) -> Result<Vec<Tensor>, PayloadError> {
    let file = SafeTensors::deserialize(bytes)?;
    let mut tensors = Vec::with_capacity(file.len());
    for (name, view) in file.iter() {
        tensors.push(Tensor {
            name: name.to_owned(),
            dtype: Dtype::from_safetensors(name, view.dtype())?,
            shape: view.shape().to_vec(),
            data: view.data().to_vec(),
        });
    }
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(tensors)
}

#[cfg(test)]
mod tests;
