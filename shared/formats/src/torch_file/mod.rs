//! Files as `torch.save` writes them, old and new.

pub(crate) mod archive;
pub(crate) mod legacy;
mod tensor;

use std::collections::HashMap;

use bytes::Bytes;

use crate::pickle::{Limits, Pickle, Place, Storage, Value};
use crate::{Array, FormatError, text};

use archive::Archive;
pub(crate) use tensor::Budget;

/// Whether a file that begins like this is one that `torch.save` wrote.
pub fn is_torch_file(start: &[u8]) -> bool {
    start.starts_with(archive::START) || start.starts_with(legacy::START)
}

/// An open file: its pickle, and where the storages are.
#[derive(Debug)]
pub(crate) struct TorchFile {
    pub pickle: Pickle,
    pub storages: Storages,
}

impl TorchFile {
    pub fn read(file: &Bytes) -> Result<Self, FormatError> {
        if file.starts_with(archive::START) {
            let mut archive = Archive::open(file)?;
            let pickle = archive.entry("data.pkl")?.unwrap_or_default();
            let pickle = Pickle::whole(&pickle)?;
            return Ok(Self { pickle, storages: Storages::new(file.len(), HashMap::new(), Some(archive)) });
        }
        let legacy = legacy::read(file, Limits::FILE)?;
        Ok(Self { pickle: legacy.pickle, storages: Storages::new(file.len(), legacy.storages, None) })
    }
}

/// The bytes behind a pickle's tensors.
#[derive(Debug)]
pub(crate) struct Storages {
    known: HashMap<Bytes, Bytes>,
    archive: Option<Archive>,
    budget: Budget,
}

impl Storages {
    pub fn new(file_len: usize, known: HashMap<Bytes, Bytes>, archive: Option<Archive>) -> Self {
        Self { known, archive, budget: Budget::for_file(file_len) }
    }

    /// The elements of a tensor in row-major order, called `name` in errors.
    pub fn array(&mut self, name: &str, value: Value<'_>) -> Result<Array, FormatError> {
        let damaged = |detail: String| FormatError::Damaged {
            expected: "a file of tensors",
            detail: format!("`{}` is {detail}", text::name(name)),
        };
        let (tensor, storage) =
            value.as_tensor().ok_or_else(|| damaged(format!("{}, no tensor", value.kind())))?;
        let bytes = self.bytes(storage).map_err(|error| match error {
            Missing::Format(error) => error,
            Missing::Detail(detail) => damaged(detail),
        })?;
        tensor::resolve(tensor, storage, &bytes, &mut self.budget).map_err(damaged)
    }

    fn bytes(&mut self, storage: &Storage) -> Result<Bytes, Missing> {
        let (key, num_elements, view) = match &storage.place {
            Place::Inline(bytes) => return Ok(bytes.clone()),
            Place::Keyed { key, num_elements, view } => (key, *num_elements, *view),
        };
        if !self.known.contains_key(key) {
            let name = format!("data/{}", String::from_utf8_lossy(key));
            let entry = match &mut self.archive {
                Some(archive) => archive.entry(&name).map_err(Missing::Format)?,
                None => None,
            };
            let entry =
                entry.ok_or_else(|| Missing::Detail("a tensor whose storage is not there".to_owned()))?;
            self.known.insert(key.clone(), entry);
        }
        let bytes = self.known.get(key).cloned().unwrap_or_default();
        let size = storage.dtype.size() as u64;
        if num_elements.checked_mul(size) != Some(bytes.len() as u64) {
            let found = bytes.len() as u64 / size;
            return Err(Missing::Detail(format!(
                "a view of `{num_elements}` elements, the file has `{found}`"
            )));
        }
        let Some((first, count)) = view else { return Ok(bytes) };
        match first.checked_add(count).filter(|&end| end <= num_elements) {
            Some(end) => Ok(bytes.slice((first * size) as usize..(end * size) as usize)),
            None => Err(Missing::Detail("a part of a storage that lies outside it".to_owned())),
        }
    }
}

enum Missing {
    Format(FormatError),
    Detail(String),
}
