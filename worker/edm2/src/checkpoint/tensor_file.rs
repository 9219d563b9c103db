//! Safetensors files to and from torch tensors.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use fidelis_formats::atomic;
use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};
use tch::{Device, Kind, Tensor};

/// Why a tensor file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum TensorFileError {
    #[error("cannot read `{path}`: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("cannot write `{path}`: {source}")]
    Write { path: PathBuf, source: std::io::Error },
    #[error("`{path}` is not a whole safetensors file ({reason}): fetch or make it again")]
    Damaged { path: PathBuf, reason: String },
    #[error("`{path}` holds `{tensor}` as {dtype}, which is not supported")]
    Dtype { path: PathBuf, tensor: String, dtype: String },
    #[error("`{path}` holds no tensor `{tensor}`")]
    Missing { path: PathBuf, tensor: String },
    #[error("these tensors cannot be laid out as safetensors: {0}")]
    Layout(String),
}

/// The metadata and tensors of a safetensors file.
#[derive(Debug, Default)]
pub struct TensorFile {
    pub metadata: BTreeMap<String, String>,
    pub tensors: BTreeMap<String, Tensor>,
}

impl TensorFile {
    /// Reads all tensors, in the file's types, on the CPU.
    pub fn read(path: &Path) -> Result<Self, TensorFileError> {
        let bytes =
            fs::read(path).map_err(|source| TensorFileError::Read { path: path.to_owned(), source })?;
        Self::of(&bytes, path)
    }

    /// As [`Self::read`], of the bytes of a file that is named `path`.
    pub fn of(bytes: &[u8], path: &Path) -> Result<Self, TensorFileError> {
        let damaged = |reason: String| TensorFileError::Damaged { path: path.to_owned(), reason };
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| damaged(e.to_string()))?;
        let views = SafeTensors::deserialize(bytes).map_err(|e| damaged(e.to_string()))?;
        let mut tensors = BTreeMap::new();
        for (name, view) in views.iter() {
            let kind = kind_of(view.dtype()).ok_or_else(|| TensorFileError::Dtype {
                path: path.to_owned(),
                tensor: name.to_owned(),
                dtype: format!("{:?}", view.dtype()),
            })?;
            let shape: Vec<i64> = view.shape().iter().map(|&n| n as i64).collect();
            let tensor =
                Tensor::f_from_data_size(view.data(), &shape, kind).map_err(|e| damaged(e.to_string()))?;
            tensors.insert(name.to_owned(), tensor);
        }
        let metadata = header.metadata().clone().unwrap_or_default().into_iter().collect();
        Ok(Self { metadata, tensors })
    }

    /// The file appears whole or not at all, and is on the disk.
    pub fn write(&self, path: &Path) -> Result<(), TensorFileError> {
        let bytes = self.to_bytes()?;
        atomic::write(path, &bytes).map_err(|source| TensorFileError::Write { path: path.to_owned(), source })
    }

    /// What the file would hold: the same tensors and metadata give the same bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>, TensorFileError> {
        let stored: Vec<_> = self.tensors.iter().map(|(name, tensor)| (name, Stored::of(tensor))).collect();
        let views = stored.iter().map(|(name, s)| (name.as_str(), s.view()));
        serialize(views, None)
            .map_err(|error| error.to_string())
            .and_then(|bytes| with_metadata(bytes, &self.metadata))
            .map_err(TensorFileError::Layout)
    }

    /// The tensor `name` of the file that was read from `path`.
    pub fn take(&mut self, path: &Path, name: &str) -> Result<Tensor, TensorFileError> {
        self.tensors
            .remove(name)
            .ok_or_else(|| TensorFileError::Missing { path: path.to_owned(), tensor: name.to_owned() })
    }
}

/// Adds metadata to the header of a file that has none, in the order of the keys: the crate's own order changes from one
/// time to the next.
fn with_metadata(bytes: Vec<u8>, metadata: &BTreeMap<String, String>) -> Result<Vec<u8>, String> {
    if metadata.is_empty() {
        return Ok(bytes);
    }
    let (length, rest) = bytes.split_first_chunk::<8>().ok_or("no header")?;
    let (header, data) = rest.split_at_checked(u64::from_le_bytes(*length) as usize).ok_or("no header")?;
    let header: serde_json::Value = serde_json::from_slice(header).map_err(|error| error.to_string())?;
    let serde_json::Value::Object(mut header) = header else { return Err("no header".to_owned()) };
    header.insert("__metadata__".to_owned(), serde_json::json!(metadata));
    let mut header = serde_json::to_vec(&header).map_err(|error| error.to_string())?;
    // The data begin at a multiple of eight.
    header.resize(header.len().next_multiple_of(8), b' ');
    let length = (header.len() as u64).to_le_bytes();
    Ok([&length, header.as_slice(), data].concat())
}

/// A tensor's bytes on the CPU.
struct Stored {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Stored {
    fn of(tensor: &Tensor) -> Self {
        let tensor = tensor.detach().to_device(Device::Cpu).contiguous();
        let num_bytes = tensor.numel() * tensor.kind().elt_size_in_bytes();
        let mut bytes = vec![0; num_bytes];
        tensor.copy_data_u8(&mut bytes, tensor.numel());
        let shape = tensor.size().iter().map(|&n| n as usize).collect();
        Self { dtype: dtype_of(tensor.kind()), shape, bytes }
    }

    fn view(&self) -> TensorView<'_> {
        TensorView::new(self.dtype, self.shape.clone(), &self.bytes).expect("bytes were sized from the shape")
    }
}

const KINDS: [(Dtype, Kind); 8] = [
    (Dtype::F16, Kind::Half),
    (Dtype::BF16, Kind::BFloat16),
    (Dtype::F32, Kind::Float),
    (Dtype::F64, Kind::Double),
    (Dtype::U8, Kind::Uint8),
    (Dtype::I32, Kind::Int),
    (Dtype::I64, Kind::Int64),
    (Dtype::BOOL, Kind::Bool),
];

fn kind_of(dtype: Dtype) -> Option<Kind> {
    KINDS.iter().find(|(d, _)| *d == dtype).map(|(_, kind)| *kind)
}

fn dtype_of(kind: Kind) -> Dtype {
    KINDS
        .iter()
        .find(|(_, k)| *k == kind)
        .map(|(dtype, _)| *dtype)
        .expect("our tensors are of the types above")
}

fidelis_contract::usage_errors!(TensorFileError);
