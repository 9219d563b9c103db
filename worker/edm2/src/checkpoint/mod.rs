//! Nets in and out of files.

mod array;
mod tensor_file;

use std::path::{Path, PathBuf};

use fidelis_formats::{
    FileError,
    net::{self, CONFIG_KEY},
};

use crate::net::{NetConfig, StateDict};
pub use array::ArrayError;
pub(crate) use array::tensor;
pub use tensor_file::{TensorFile, TensorFileError};

/// Why a checkpoint could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    #[error(transparent)]
    File(#[from] TensorFileError),
    #[error("cannot use the net {0}")]
    Net(#[from] FileError),
    #[error("cannot use the net `{path}`: libtorch cannot take its tensor `{tensor}` ({source})")]
    Tensor { path: PathBuf, tensor: String, source: ArrayError },
    #[error("the net's config cannot be written: {0}")]
    Config(serde_json::Error),
}

/// A net at rest: its config and its tensors under their state-dict names.
#[derive(Debug)]
pub struct Checkpoint {
    pub config: NetConfig,
    pub state: StateDict,
}

impl Checkpoint {
    /// Reads a net, a `.pkl` as published or a `.safetensors`: tensors in the file's type on the CPU.
    pub fn read(path: &Path) -> Result<Self, CheckpointError> {
        Self::converted(net::read(path)?, path)
    }

    /// As [`Self::read`], of the bytes of a file that is named `path`.
    pub fn of(bytes: Vec<u8>, path: &Path) -> Result<Self, CheckpointError> {
        Self::converted(net::decode(&bytes.into()).map_err(|error| error.at(path))?, path)
    }

    fn converted(file: net::NetFile, path: &Path) -> Result<Self, CheckpointError> {
        let converted = |(name, array)| match tensor(&array) {
            Ok(tensor) => Ok((name, tensor)),
            Err(source) => Err(CheckpointError::Tensor { path: path.to_owned(), tensor: name, source }),
        };
        let state = file.tensors.into_iter().map(converted).collect::<Result<_, _>>()?;
        Ok(Self { config: file.config, state })
    }

    /// Writes the net with its tensors as they are; the file appears whole or not at all.
    pub fn write(self, path: &Path) -> Result<(), CheckpointError> {
        Ok(self.to_file([])?.write(path)?)
    }

    /// The net as a file that has `more` in its metadata beside the config.
    pub fn to_file(
        self,
        more: impl IntoIterator<Item = (String, String)>,
    ) -> Result<TensorFile, CheckpointError> {
        let config = serde_json::to_string(&self.config).map_err(CheckpointError::Config)?;
        let metadata = more.into_iter().chain([(CONFIG_KEY.to_owned(), config)]).collect();
        Ok(TensorFile { metadata, tensors: self.state })
    }
}

fidelis_contract::usage_errors!(CheckpointError);
