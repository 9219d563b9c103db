//! `fidelis-worker info`: what a file holds.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use fidelis_contract::{exit, spec::FileRef};
use fidelis_edm2::net::num_params;
use fidelis_fleet::{folder, out};
use fidelis_formats::{
    Array, StateDict,
    content::{self, Content},
    net::NetFile,
    stats::Statistics,
};
use serde_json::{Value, json};

use super::Failure;

#[derive(Debug, Args)]
pub struct InfoArgs {
    /// A net (.pkl, .safetensors), a state dict (.pth, .pt, .safetensors) or statistics (.npz, .pkl): a path,
    /// s3://bucket/key or https://…
    #[arg(value_name = "F")]
    pub file: PathBuf,
    /// JSON on stdout
    #[arg(long)]
    json: bool,
}

/// Prints one fact on a line; the file is called as it was asked for.
pub fn info(args: &InfoArgs, address: &Path) -> Result<u8, Failure> {
    let mut facts = facts(&args.file)?;
    facts.insert(0, ("file", FileRef::new(address.display().to_string()).shown().into()));
    if args.json {
        out::json(Value::Object(facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()));
    } else {
        facts.iter().for_each(|(name, value)| print_fact(name, value));
    }
    Ok(exit::DONE)
}

/// Names and values, in the order in which people read them.
type Facts = Vec<(&'static str, Value)>;

fn facts(path: &Path) -> anyhow::Result<Facts> {
    let content = content::read(path)?;
    let sha256 = folder::digest(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let mut facts = Facts::new();
    match &content {
        Content::Net(net) => {
            facts.push(("kind", "net".into()));
            facts.push(("parameters", num_params(&net.config)?.into()));
            facts.extend(tensor_facts(&net.tensors));
            facts.extend(net_facts(net)?);
        }
        Content::StateDict(state) => {
            facts.push(("kind", "state dict".into()));
            facts.extend(tensor_facts(state));
        }
        Content::Statistics(Statistics { mu, num_images, detector, .. }) => {
            facts.push(("kind", "statistics".into()));
            facts.push(("detector", detector.clone().map_or(Value::Null, Value::String)));
            facts.push(("features", mu.len().into()));
            facts.push(("num_images", if *num_images == 0 { Value::Null } else { (*num_images).into() }));
        }
    }
    facts.push(("sha256", sha256.to_string().into()));
    Ok(facts)
}

fn net_facts(net: &NetFile) -> anyhow::Result<Facts> {
    let encoder = net.config.encoder.map(serde_json::to_value).transpose()?.unwrap_or(Value::Null);
    let data = net.dataset_kwargs.clone().map_or(Value::Null, Value::Object);
    Ok(vec![("encoder", encoder), ("dataset_kwargs", data), ("config", serde_json::to_value(&net.config)?)])
}

fn tensor_facts(tensors: &StateDict) -> Facts {
    let dtypes: BTreeSet<&str> = tensors.values().map(|array| array.dtype.name()).collect();
    let elements = tensors.values().map(Array::num_elements).sum::<usize>();
    vec![("tensors", tensors.len().into()), ("elements", elements.into()), ("dtype", json!(dtypes))]
}

fn print_fact(name: &str, value: &Value) {
    match value {
        Value::Null => out::line(format!("{name:<16}not said")),
        Value::String(text) => out::line(format!("{name:<16}{text}")),
        Value::Array(items) if items.iter().all(Value::is_string) => {
            let words: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            out::line(format!("{name:<16}{}", words.join(", ")));
        }
        Value::Object(options) => {
            out::line(name);
            options.iter().for_each(|(name, value)| out::line(format!("  {name:<20}{value}")));
        }
        other => out::line(format!("{name:<16}{other}")),
    }
}
