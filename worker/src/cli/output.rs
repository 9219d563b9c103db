//! Tensors as files that appear whole or not at all.

use std::path::Path;

use anyhow::Context;
use fidelis_contract::payload::{self, Tensor};
use fidelis_formats::atomic::{self, NotWritten, Unwritable};

/// Whether every file can be written that a command is to leave: asked before anything is read or computed.
pub fn check<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Result<(), Unwritable> {
    paths.into_iter().try_for_each(atomic::check_file)
}

/// Writes bytes, or leaves what was there and keeps them elsewhere.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), NotWritten> {
    atomic::write_or_keep(path, bytes)
}

/// Writes tensors as safetensors.
pub fn write_tensors(path: &Path, tensors: &[Tensor]) -> anyhow::Result<()> {
    let bytes = payload::encode(tensors).with_context(|| format!("cannot encode `{}`", path.display()))?;
    Ok(write_whole(path, &bytes)?)
}

/// Writes tensors as safetensors with one key of metadata.
pub fn write_named_tensors(path: &Path, tensors: &[Tensor], metadata: (&str, &str)) -> anyhow::Result<()> {
    let bytes = payload::encode_named(tensors, metadata);
    let bytes = bytes.with_context(|| format!("cannot encode `{}`", path.display()))?;
    Ok(write_whole(path, &bytes)?)
}
