//! `fidelis presets`, and `--preset` of the commands that run specs.

use std::env;

use anyhow::{Context, anyhow};
use clap::Args;
use fidelis_contract::{
    exit,
    presets::{self, PRESETS, Preset, Sites},
    spec::{EngineSpec, Precision, RunSpec},
};
use fidelis_fleet::out;
use serde_json::{Value, json};

use super::Failure;

/// Where the presets' files are.
#[derive(Debug, Clone, Args)]
pub struct SiteArgs {
    /// Site of the published nets and statistics, with posthoc-reconstructions/ and dataset-refs/ in it; also s3://… or a folder
    #[arg(long, value_name = "URL", env = "FIDELIS_MODELS_URL", default_value = presets::MODELS_URL)]
    models_url: String,
    /// Weights of the detector `inception` of presets
    #[arg(long, value_name = "URL", env = "FIDELIS_INCEPTION", default_value = presets::INCEPTION)]
    inception: String,
    /// Weights of the detector `dinov2` of presets
    #[arg(long, value_name = "URL", env = "FIDELIS_DINOV2", default_value = presets::DINOV2)]
    dinov2: String,
    /// Weights of the encoder `stability-vae` of presets
    #[arg(long, value_name = "URL", env = "FIDELIS_VAE", default_value = presets::VAE)]
    vae: String,
}

/// Published figures instead of specs.
#[derive(Debug, Clone, Args)]
pub struct PresetArgs {
    /// A published figure instead of a spec: `fidelis presets` lists them
    #[arg(long, value_name = "NAME")]
    preset: Vec<String>,
    /// Arithmetic of the nets instead of the spec's (of presets: fp16, as published): fp32, bf16 or fp16
    #[arg(long)]
    precision: Option<Precision>,
    #[command(flatten)]
    sites: SiteArgs,
}

/// What to list.
#[derive(Debug, Args)]
pub struct PresetsArgs {
    /// Print this preset as a spec (.toml), to run or to edit
    name: Option<String>,
    #[command(flatten)]
    sites: SiteArgs,
    /// JSON on stdout, with the addresses of all files
    #[arg(long)]
    json: bool,
}

impl SiteArgs {
    fn sites(&self) -> Sites {
        Sites {
            models: self.models_url.clone(),
            inception: self.inception.clone(),
            dinov2: self.dinov2.clone(),
            vae: self.vae.clone(),
        }
    }
}

impl PresetArgs {
    /// The specs of all presets that were named, not resolved.
    ///
    /// # Errors
    /// A name that no preset has.
    pub fn specs(&self) -> Result<Vec<RunSpec>, Failure> {
        // Sites may be folders too.
        let here = env::current_dir().context("there is no working directory")?;
        let spec = |name: &String| {
            let mut spec = presets::find(name)?.spec(&self.sites.sites());
            spec.anchor(&here);
            self.precise(spec)
        };
        self.preset.iter().map(spec).collect()
    }
}

impl PresetArgs {
    /// A spec in the arithmetic that the command line asks for, where it does.
    ///
    /// # Errors
    /// A run without nets.
    pub fn precise(&self, mut spec: RunSpec) -> Result<RunSpec, Failure> {
        match (self.precision, &mut spec.engine) {
            (None, _) => Ok(spec),
            (Some(precision), EngineSpec::Edm2(model)) => {
                model.sampling.precision = precision;
                Ok(spec)
            }
            (Some(_), other) => {
                let (name, engine) = (&spec.name, other.kind());
                let text =
                    format!("`--precision` is that of nets, of which `{name}` has none (engine `{engine}`)");
                Err(Failure::new(exit::USAGE, anyhow!(text)))
            }
        }
    }
}

/// Lists the presets, or prints one.
pub fn presets(args: PresetsArgs) -> Result<u8, Failure> {
    let sites = args.sites.sites();
    match &args.name {
        Some(name) if args.json => out::json(object(presets::find(name)?, &sites)),
        Some(name) => out::text(&presets::find(name)?.toml(&sites)),
        None if args.json => {
            out::json(Value::from_iter(PRESETS.iter().map(|preset| object(preset, &sites))));
        }
        None => out::text(&table()),
    }
    Ok(exit::DONE)
}

/// The one spec of a command that runs one.
///
/// # Errors
/// Several presets.
pub fn single(mut specs: Vec<RunSpec>) -> Result<RunSpec, Failure> {
    match (specs.pop(), specs.is_empty()) {
        (Some(spec), true) => Ok(spec),
        _ => {
            let text = "one preset at a time: `fidelis local` takes several and compares them";
            Err(Failure::new(exit::USAGE, anyhow!(text)))
        }
    }
}

fn object(preset: &Preset, sites: &Sites) -> Value {
    let (spec, model) = (preset.spec(sites), preset.model(sites));
    let detector = &spec.detectors[0];
    json!({
        "name": preset.name,
        "net": preset.net_url(sites),
        "gnet": preset.gnet_url(sites),
        "guidance": preset.guidance,
        "metric": preset.metric.id(),
        "published": preset.published,
        "detector": detector.name,
        "detector_weights": detector.weights.path,
        "reference": preset.reference_url(sites),
        "encoder": model.sampling.encoder,
        "vae": model.vae.map(|vae| vae.path),
    })
}

fn table() -> String {
    let header = ["preset", "net", "gnet", "guidance", "metric", "published"].map(str::to_owned);
    let row = |preset: &Preset| {
        let metric = preset.metric.label();
        [
            preset.name.to_owned(),
            preset.net.to_owned(),
            preset.gnet.unwrap_or("–").to_owned(),
            preset.guidance.to_string(),
            metric.to_owned(),
            format!("{:.2}", preset.published),
        ]
    };
    let rows: Vec<[String; 6]> = std::iter::once(header).chain(PRESETS.iter().map(row)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..6).map(width).collect();
    let line = |row: &[String; 6]| {
        let cells = row.iter().zip(&widths).enumerate().map(|(i, (cell, &width))| match i {
            3 | 5 => format!("{cell:>width$}"),
            _ => format!("{cell:<width$}"),
        });
        cells.collect::<Vec<_>>().join("   ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_has_a_line_for_each() {
        let table = table();
        assert_eq!(table.lines().count(), 37);
        let words: Vec<&str> = table
            .lines()
            .find(|line| line.starts_with("edm2-img512-s-autog-fid "))
            .unwrap()
            .split_whitespace()
            .collect();
        let expected = [
            "edm2-img512-s-autog-fid",
            "edm2-img512-s-2147483-0.070",
            "edm2-img512-xs-0134217-0.125",
            "2.1",
            "FID",
            "1.34",
        ];
        assert_eq!(words, expected);
    }
}
