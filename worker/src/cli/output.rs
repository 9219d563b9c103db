//! Files that appear whole or not at all.

use std::fs;
use std::path::Path;

use anyhow::Context;
use fidelis_shared::payload::{self, Tensor};

/// Writes `bytes` beside `path` first and renames.
pub fn write_whole(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let mut aside = path.as_os_str().to_owned();
    aside.push(format!(".part-{}", std::process::id()));
    fs::write(&aside, bytes).and_then(|()| fs::rename(&aside, path)).map_err(|error| {
        // The first error is the one that matters.
        fs::remove_file(&aside).ok();
        anyhow::Error::new(error).context(format!("cannot write `{}`", path.display()))
    })
}

/// Writes tensors as safetensors.
pub fn write_tensors(path: &Path, tensors: &[Tensor]) -> anyhow::Result<()> {
    let bytes = payload::encode(tensors).with_context(|| format!("cannot encode `{}`", path.display()))?;
    write_whole(path, &bytes)
}
