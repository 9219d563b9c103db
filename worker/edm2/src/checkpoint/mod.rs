//! Nets in and out of files.

mod tensor_file;

use std::path::{Path, PathBuf};

use crate::net::{NetConfig, StateDict};
pub use tensor_file::{TensorFile, TensorFileError};

/// Key of the net's config, as JSON, in a safetensors file's metadata.
const CONFIG_KEY: &str = "config";

/// Why a checkpoint could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    #[error(transparent)]
    File(#[from] TensorFileError),
    #[error("`{0}` holds no net: its metadata has no `config`")]
    NoConfig(PathBuf),
    #[error("the config of `{path}` is not that of an EDM2 net: {source}")]
    Config { path: PathBuf, source: serde_json::Error },
}

/// A net at rest: its config and its tensors under their state-dict names.
#[derive(Debug)]
pub struct Checkpoint {
    pub config: NetConfig,
    pub state: StateDict,
}

impl Checkpoint {
    /// Reads a `.safetensors` net, tensors in the file's type on the CPU.
    pub fn read(path: &Path) -> Result<Self, CheckpointError> {
        let file = TensorFile::read(path)?;
        let config =
            file.metadata.get(CONFIG_KEY).ok_or_else(|| CheckpointError::NoConfig(path.to_owned()))?;
        let config = serde_json::from_str(config)
            .map_err(|source| CheckpointError::Config { path: path.to_owned(), source })?;
        Ok(Self { config, state: file.tensors })
    }

    /// Writes the net with its tensors as they are; the file appears whole or not at all.
    pub fn write(self, path: &Path) -> Result<(), CheckpointError> {
        let config = serde_json::to_string(&self.config)
            .map_err(|source| CheckpointError::Config { path: path.to_owned(), source })?;
        let metadata = [(CONFIG_KEY.to_owned(), config)].into();
        Ok(TensorFile { metadata, tensors: self.state }.write(path)?)
    }
}
