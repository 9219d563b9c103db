//! `fidelis-worker convert`: a published net to `.safetensors`.

use std::path::PathBuf;

use anyhow::{Context, anyhow};
use clap::Args;
use fidelis_contract::exit;
use fidelis_fleet::out;
use fidelis_formats::net;

use super::Failure;
use super::output;

#[derive(Debug, Args)]
pub struct ConvertArgs {
    /// A net: .pkl as published, or .safetensors; a path, s3://bucket/key or https://…
    #[arg(value_name = "IN")]
    pub from: PathBuf,
    /// Where it goes (.safetensors): tensors bit for bit, the config as JSON in the metadata
    #[arg(value_name = "OUT")]
    to: PathBuf,
}

/// Reads, checks and writes; nothing is left behind when it fails.
pub fn convert(args: &ConvertArgs) -> Result<u8, Failure> {
    let ConvertArgs { from, to } = args;
    let writable = to.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("safetensors"));
    if !writable {
        return Err(anyhow!("cannot write `{}`: nets are written as `.safetensors`", to.display()).into());
    }
    output::check([to.as_path()])?;
    let net = net::read(from)?;
    let bytes = net.to_safetensors().with_context(|| format!("cannot write `{}`", to.display()))?;
    output::write_whole(to, &bytes)?;
    out::line(format!("{}: {} tensors, {} bytes", to.display(), net.tensors.len(), bytes.len()));
    Ok(exit::DONE)
}
