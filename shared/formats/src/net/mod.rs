//! Nets at rest: a config, and tensors under their state-dict names.
//!
//! | file | what it is |
//! | --- | --- |
//! | `.pkl` | a checkpoint as published: a pickle of objects, of which nothing is run |
//! | `.safetensors` | the tensors, and the config as JSON in the metadata key `config` |

mod config;
mod pair;
mod published;
mod walk;
mod whitening;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use bytes::Bytes;
use serde_json::{Map, Value as Json};

use crate::torch_file::is_torch_file;
use crate::{FileError, FormatError, StateDict, file, sniff, tensors, text};

pub use config::{ConfigError, NetConfig};
pub use fidelis_contract::spec::Encoder;
pub use pair::{Mismatch, check_pair};
pub use whitening::Whitening;

/// Key of the config, as JSON, in a safetensors file's metadata.
pub const CONFIG_KEY: &str = "config";

/// A net and what its file says of it.
#[derive(Clone, Debug, PartialEq)]
pub struct NetFile {
    pub config: NetConfig,
    /// Parameters and buffers under their state-dict names, in the file's types.
    pub tensors: StateDict,
    /// What the net was trained on, where a published checkpoint says.
    pub dataset_kwargs: Option<Map<String, Json>>,
}

impl NetFile {
    /// The net as a `.safetensors` file: tensors bit for bit, the config as JSON in the metadata.
    ///
    /// # Errors
    /// A tensor whose shape does not fit its bytes.
    pub fn to_safetensors(&self) -> Result<Vec<u8>, FormatError> {
        let config = serde_json::to_string(&self.config).map_err(|error| damaged(error.to_string()))?;
        tensors::encode(&self.tensors, Some((CONFIG_KEY, config)))
    }
}

/// Reads a net; the content decides, whatever the name is.
///
/// # Errors
/// A file that cannot be read, is damaged, is no net, or holds something that is not known here.
pub fn read(path: &Path) -> Result<NetFile, FileError> {
    file::read(path).and_then(|bytes| decode(&bytes)).map_err(|error| error.at(path))
}

/// Reads a net out of a whole file.
///
/// # Errors
/// As [`read`].
pub fn decode(bytes: &Bytes) -> Result<NetFile, FormatError> {
    if is_torch_file(bytes) {
        let detail = "it is a file of `torch.save`, which does not say what net its tensors make";
        return Err(damaged(detail.to_owned()));
    }
    if sniff::is_pickle(bytes) {
        return published::decode(bytes);
    }
    let file = tensors::decode(bytes).map_err(|error| sniff::other(bytes, EXPECTED).unwrap_or(error))?;
    let config = stored_config(file.metadata.get(CONFIG_KEY))?;
    Ok(NetFile { config, tensors: file.tensors, dataset_kwargs: None })
}

/// Reads the config of a net: of a `.safetensors` the header alone.
///
/// # Errors
/// As [`read`], as far as the config is concerned.
pub fn read_config(path: &Path) -> Result<NetConfig, FileError> {
    config_of(path).map_err(|error| error.at(path))
}

fn config_of(path: &Path) -> Result<NetConfig, FormatError> {
    let mut start = Vec::new();
    File::open(path)?.take(512).read_to_end(&mut start)?;
    if sniff::is_pickle(&start) || start.starts_with(b"PK") {
        return Ok(decode(&file::read(path)?)?.config);
    }
    let metadata = tensors::read_metadata(path);
    stored_config(metadata.map_err(|error| sniff::other(&start, EXPECTED).unwrap_or(error))?.get(CONFIG_KEY))
}

fn stored_config(json: Option<&String>) -> Result<NetConfig, FormatError> {
    let hint = "its metadata has none, so it is no net; `fidelis-worker convert` writes one from a `.pkl`";
    let json = json.ok_or(FormatError::Missing { name: CONFIG_KEY, hint })?;
    checked(serde_json::from_str(json))
}

fn checked(config: serde_json::Result<NetConfig>) -> Result<NetConfig, FormatError> {
    let config =
        config.map_err(|error| damaged(format!("its config: {}", text::message(&error.to_string()))))?;
    config.check().map_err(|error| damaged(error.to_string()))?;
    Ok(config)
}

/// What is looked for here.
const EXPECTED: &str = "an EDM2 net";

fn damaged(detail: String) -> FormatError {
    FormatError::Damaged { expected: EXPECTED, detail }
}
