//! What a file holds, when nobody says what it should be.

use std::path::Path;

use bytes::Bytes;

use crate::net::{self, NetFile};
use crate::stats::{self, Statistics};
use crate::{FileError, FormatError, StateDict, file, sniff, state_dict, torch_file};

/// What was found.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// A net with its config.
    Net(Box<NetFile>),
    /// Tensors by name, without the config of a net.
    StateDict(StateDict),
    /// Statistics of features.
    Statistics(Statistics),
}

/// Reads a file of any kind that is known; the content decides.
///
/// # Errors
/// A file that cannot be read, is damaged or is of no kind that is known.
pub fn read(path: &Path) -> Result<Content, FileError> {
    file::read(path).and_then(|bytes| decode(&bytes)).map_err(|error| error.at(path))
}

/// Reads a whole file of any kind.
///
/// # Errors
/// As [`read`].
pub fn decode(bytes: &Bytes) -> Result<Content, FormatError> {
    let statistics = || stats::decode(bytes, None);
    if torch_file::is_torch_file(bytes) {
        // `.npz` files are ZIPs too.
        let state = state_dict::decode(bytes).map(Content::StateDict);
        return state.or_else(|error| statistics().map(Content::Statistics).map_err(|_| error));
    }
    if bytes.first() != Some(&0x80) && !sniff::is_safetensors(bytes) {
        let (expected, detail) =
            ("a net, a state dict or statistics", "it begins like none of them".to_owned());
        return Err(sniff::other(bytes, expected).unwrap_or(FormatError::Damaged { expected, detail }));
    }
    match net::decode(bytes) {
        Ok(net) => Ok(Content::Net(Box::new(net))),
        Err(FormatError::Missing { name: net::CONFIG_KEY, .. }) => {
            state_dict::decode(bytes).map(Content::StateDict)
        }
        Err(error) => statistics().map(Content::Statistics).map_err(|_| error),
    }
}
