//! `fidelis-worker info`: what a file holds.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use fidelis_contract::exit;
use fidelis_edm2::net::{NetConfig, multiply_adds, num_params};
use fidelis_fleet::{folder, out};
use fidelis_formats::{
    Array, StateDict,
    content::{self, Content},
    net::{self, NetFile},
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
    /// Of a net also its multiply-adds: for an evaluation of one image, and for an image made of it
    #[arg(long)]
    flops: bool,
    /// Steps of Heun's method behind an image: 2N − 1 evaluations
    #[arg(long, value_name = "N", default_value_t = 32, requires = "flops", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    steps: u64,
    /// The net that guides, which takes evaluations of its own
    #[arg(long, value_name = "F", requires = "flops")]
    pub gnet: Option<PathBuf>,
    /// JSON on stdout
    #[arg(long)]
    json: bool,
}

/// Prints one fact on a line; the file is called as it was asked for.
pub fn info(args: &InfoArgs, address: &Path) -> Result<u8, Failure> {
    let mut facts = facts(args)?;
    facts.insert(0, ("file", super::shown(address).into()));
    if args.json {
        out::json(Value::Object(facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()));
    } else {
        facts.iter().for_each(|(name, value)| print_fact(name, value));
    }
    Ok(exit::DONE)
}

/// Names and values, in the order in which people read them.
type Facts = Vec<(&'static str, Value)>;

fn facts(args: &InfoArgs) -> anyhow::Result<Facts> {
    let path = &args.file;
    let content = content::read(path)?;
    let sha256 = folder::digest(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let mut facts = Facts::new();
    match &content {
        Content::Net(net) => {
            facts.push(("kind", "net".into()));
            facts.push(("parameters", num_params(&net.config)?.into()));
            if args.flops {
                facts.extend(flops(&net.config, args)?);
            }
            facts.extend(tensor_facts(&net.tensors));
            facts.extend(net_facts(net)?);
        }
        _ if args.flops => bail!("`{}` is no net: `--flops` counts the layers of one", path.display()),
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

/// Of one evaluation of each net, and of an image: the autoencoder and the detectors come on top.
fn flops(config: &NetConfig, args: &InfoArgs) -> anyhow::Result<Facts> {
    let own = multiply_adds(config)?;
    let mut facts: Facts = vec![("multiply_adds", own.into())];
    let mut sum = own;
    if let Some(path) = &args.gnet {
        let guide = multiply_adds(&net::read(path)?.config)?;
        facts.push(("gnet_multiply_adds", guide.into()));
        sum += guide;
    }
    let evaluations = 2 * args.steps - 1;
    facts.push(("steps", args.steps.into()));
    facts.push(("evaluations", evaluations.into()));
    facts.push(("multiply_adds_per_image", sum.saturating_mul(evaluations).into()));
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
        Value::Null => out::line(format!("{name:<25}not said")),
        Value::String(text) => out::line(format!("{name:<25}{text}")),
        Value::Array(items) if items.iter().all(Value::is_string) => {
            let words: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            out::line(format!("{name:<25}{}", words.join(", ")));
        }
        Value::Object(options) => {
            out::line(name);
            options.iter().for_each(|(name, value)| out::line(format!("  {name:<20}{value}")));
        }
        other => out::line(format!("{name:<25}{other}")),
    }
}
