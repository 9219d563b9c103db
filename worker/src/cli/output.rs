//! Tensors as files that appear whole or not at all.

use std::path::Path;

use anyhow::Context;
use fidelis_shared::atomic;
use fidelis_shared::payload::{self, Tensor};

/// Writes bytes, or leaves what was there.
pub fn write_whole(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    atomic::write(path, bytes).with_context(|| format!("cannot write `{}`", path.display()))
}

/// Writes tensors as safetensors.
pub fn write_tensors(path: &Path, tensors: &[Tensor]) -> anyhow::Result<()> {
    let bytes = payload::encode(tensors).with_context(|| format!("cannot encode `{}`", path.display()))?;
    write_whole(path, &bytes)
}

/// Writes tensors as safetensors with one key of metadata.
pub fn write_named_tensors(path: &Path, tensors: &[Tensor], metadata: (&str, &str)) -> anyhow::Result<()> {
    let bytes = payload::encode_named(tensors, metadata);
    write_whole(path, &bytes.with_context(|| format!("cannot encode `{}`", path.display()))?)
}
