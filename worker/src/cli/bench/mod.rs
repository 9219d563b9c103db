//! `fidelis-worker bench`: what images of a net cost on this device.

mod measure;
mod report;

use std::path::{Path, PathBuf};

use clap::Args;
use fidelis_contract::{
    exit,
    spec::{Edm2Spec, Encoder, FileRef, Outputs, Precision, SamplerSpec, Sampling},
};
use fidelis_edm2::device::{self, memory};
use fidelis_edm2::generate::Recipe;
use fidelis_fleet::out;

use super::{Failure, features, sample};
use crate::engine::edm2;
use crate::interrupt::Interrupt;
use measure::{Bench, Measured};

#[derive(Debug, Args)]
pub struct BenchArgs {
    /// Main net, .pkl as published or .safetensors: a path, s3://bucket/key or https://…
    #[arg(long)]
    net: PathBuf,
    /// Guiding net, which is evaluated at every noise level
    #[arg(long)]
    gnet: Option<PathBuf>,
    /// A detector behind it, as of `features`
    #[arg(long)]
    detector: Option<String>,
    /// The detector's weights
    #[arg(long, requires = "detector")]
    weights: Option<PathBuf>,
    /// How latents become pixels, where the net's file does not say: rgb, space-to-depth or stability-vae
    #[arg(long)]
    encoder: Option<Encoder>,
    /// Weights of the encoder stability-vae
    #[arg(long, value_name = "F")]
    vae: Option<PathBuf>,
    /// Steps of Heun's method behind an image: 2N − 1 evaluations
    #[arg(long, default_value_t = SamplerSpec::DEFAULT.num_steps)]
    steps: u32,
    /// cpu or cuda:N
    #[arg(long, default_value = "cpu")]
    device: String,
    /// Arithmetics of the nets, one after the other: fp32, bf16, fp16
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "fp32,bf16")]
    precision: Vec<Precision>,
    /// Images that go through the nets together, one after the other
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "1,8,32,64", value_parser = clap::value_parser!(u32).range(1..=65536))]
    micro_batch: Vec<u32>,
    /// Micro-batches side by side on a CPU [default: one for each core]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1024))]
    lanes: Option<u32>,
    /// How long each may be measured; what would take several times as long is left out
    #[arg(long, default_value_t = 5.0, value_parser = positive)]
    seconds: f64,
    /// What the device costs an hour, in any money
    #[arg(long, value_parser = positive)]
    price: Option<f64>,
    /// JSON on stdout
    #[arg(long)]
    json: bool,
}

fn positive(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite() && *number > 0.0);
    number.ok_or_else(|| "expected a number above 0".to_owned())
}

impl BenchArgs {
    /// What it reads.
    pub fn files(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let others = [self.gnet.as_mut(), self.weights.as_mut(), self.vae.as_mut()];
        std::iter::once(&mut self.net).chain(others.into_iter().flatten())
    }

    fn recipe(&self, precision: Precision) -> Result<Recipe, Failure> {
        let file = |path: &PathBuf| FileRef::new(path.display().to_string());
        let sampler = SamplerSpec { num_steps: self.steps, ..SamplerSpec::DEFAULT };
        // Any guidance but 1 evaluates both nets.
        let guidance = if self.gnet.is_some() { 2.0 } else { 1.0 };
        let model = Edm2Spec {
            net: file(&self.net),
            gnet: self.gnet.as_ref().map(file),
            vae: self.vae.as_ref().map(file),
            vae_precision: None,
            sampling: Sampling { guidance, sampler, precision, encoder: self.encoder, ..Sampling::default() },
        };
        sample::validate(&model)?;
        let mut detectors = std::collections::BTreeMap::new();
        if let Some(name) = &self.detector {
            detectors.insert(name.clone(), features::weights(name, self.weights.as_deref())?);
        }
        let outputs = Outputs { latents: true, images: self.vae.is_some() };
        Ok(Recipe { model, micro_batch: 1, outputs, detectors })
    }

    /// Of what is no net: they are held in the file's types.
    fn other_weights(&self) -> u64 {
        let len = |path: &Path| std::fs::metadata(path).map_or(0, |found| found.len());
        [&self.weights, &self.vae].into_iter().flatten().map(|path| len(path)).sum()
    }
}

/// Measures one precision after the other, smaller micro-batches first.
pub fn bench(args: &BenchArgs, files: &[String]) -> Result<u8, Failure> {
    let interrupt = Interrupt::watch()?;
    let mut micro_batches: Vec<usize> = args.micro_batch.iter().map(|&images| images as usize).collect();
    micro_batches.sort_unstable();
    micro_batches.dedup();
    let recipes = args.precision.iter().map(|&precision| args.recipe(precision));
    let recipes: Vec<Recipe> = recipes.collect::<Result<_, _>>()?;
    let device = device::open(&args.device)?;
    let lanes = args.lanes.map_or_else(edm2::default_lanes, |lanes| lanes as usize);
    let (load_before, process_bytes) = (measure::load_average(), memory::bytes(device));
    let stop = || interrupt.signal().is_some();
    let bench = Bench {
        device,
        lanes,
        seconds: args.seconds,
        micro_batches: &micro_batches,
        other_weights: args.other_weights(),
        stop: &stop,
    };
    let mut measured: Vec<Measured> = Vec::new();
    for recipe in &recipes {
        match bench.measure(recipe) {
            Ok(found) => measured.push(found),
            Err(error) => return interrupt.signal().map_or_else(|| Err(error.into()), Ok),
        }
    }
    let facts = device::facts(device);
    let report = report::Report {
        files,
        device: (&args.device, facts.gpu.or(facts.cpu)),
        steps: args.steps,
        load_before,
        process_bytes,
        price: args.price,
        measured: &measured,
    };
    if args.json {
        out::json(report.json());
    } else {
        out::text(&report.table());
    }
    Ok(exit::DONE)
}
