//! State dicts: tensors by name, as torch and safetensors files keep them.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;

use crate::torch_file::{TorchFile, is_torch_file};
use crate::{Array, FileError, FormatError, file, sniff, tensors, text};

/// Parameters and buffers by their names.
pub type StateDict = BTreeMap<String, Array>;

/// What is looked for here.
pub(crate) const EXPECTED: &str = "a state dict";

/// Reads a state dict: `.pth` or `.pt` as `torch.save` writes it (a ZIP, or the format before version 1.6), or
/// `.safetensors`. The content decides, whatever the name is.
///
/// # Errors
/// A file that cannot be read, is damaged, or holds something other than tensors by name: nothing in it is run.
pub fn read(path: &Path) -> Result<StateDict, FileError> {
    file::read(path).and_then(|bytes| decode(&bytes)).map_err(|error| error.at(path))
}

/// Reads a state dict out of a whole file.
///
/// # Errors
/// As [`read`].
pub fn decode(bytes: &Bytes) -> Result<StateDict, FormatError> {
    if is_torch_file(bytes) {
        return from_torch(bytes);
    }
    let file = tensors::decode(bytes).map_err(|error| sniff::other(bytes, EXPECTED).unwrap_or(error))?;
    Ok(file.tensors)
}

fn from_torch(bytes: &Bytes) -> Result<StateDict, FormatError> {
    let mut file = TorchFile::read(bytes)?;
    let root = file.pickle.root();
    let wrong = |detail| FormatError::Damaged { expected: EXPECTED, detail };
    let entries =
        root.entries().ok_or_else(|| wrong(format!("it is {}, no dict of tensors", root.kind())))?;
    let mut state = StateDict::new();
    for (key, value) in entries {
        let name = key.as_str().ok_or_else(|| wrong(format!("a key that is {}, no name", key.kind())))?;
        let array = file.storages.array(name, value)?;
        if state.insert(name.to_owned(), array).is_some() {
            return Err(wrong(format!("`{}` is there twice", text::name(name))));
        }
    }
    Ok(state)
}
