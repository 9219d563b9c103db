//! `fidelis-worker sample`: images of a list of seeds, without a fleet.

use std::path::PathBuf;

use anyhow::{Context, bail, ensure};
use clap::{Args, ValueEnum};
use fidelis_edm2::device;
use fidelis_edm2::encoder::Encoder;
use fidelis_edm2::generate::{Buffer, Generator, Recipe};
use fidelis_edm2::net::Precision;
use fidelis_edm2::sampler::{Sampler, State};
use fidelis_shared::exit;
use fidelis_shared::payload::Tensor;
use fidelis_shared::seeds::Seeds;

use super::failure::Failure;
use super::{grid, output};
use crate::interrupt::Interrupt;

#[derive(Debug, Args)]
pub struct SampleArgs {
    /// Main net (.safetensors)
    #[arg(long)]
    net: PathBuf,
    /// Guiding net: a worse version of the main net, or an unconditional one
    #[arg(long)]
    gnet: Option<PathBuf>,
    /// w in D = D₀ + w·(D₁ − D₀)
    #[arg(long, default_value_t = 1.0)]
    guidance: f64,
    /// Guide only at noise levels in (LO, HI]
    #[arg(long, value_name = "LO,HI", value_parser = parse_interval)]
    guidance_interval: Option<(f64, f64)>,
    /// Seeds, as 0-49999 or 1,2,5-10
    #[arg(long)]
    seeds: Seeds,
    /// One class for all images
    #[arg(long)]
    class: Option<i64>,
    #[command(flatten)]
    sampler: SamplerArgs,
    /// Random stream of the noise
    #[arg(long, value_enum, default_value = "cpu")]
    noise: NoiseArg,
    /// cpu or cuda:N
    #[arg(long, default_value = "cpu")]
    device: String,
    /// Arithmetic of the nets
    #[arg(long, value_enum, default_value = "fp32")]
    precision: PrecisionArg,
    /// How latents become pixels, where the net's file does not say
    #[arg(long, value_parser = parse_encoder)]
    encoder: Option<Encoder>,
    /// Images that go through the nets together
    #[arg(long, default_value_t = 64)]
    micro_batch: usize,
    /// Micro-batches side by side on a CPU [default: one for each core]
    #[arg(long)]
    lanes: Option<usize>,
    /// Where the tensors go: latents, noise, labels, seeds (.safetensors)
    #[arg(long)]
    out: PathBuf,
    /// A sheet of the images
    #[arg(long)]
    png: Option<PathBuf>,
}

/// Heun's sampler, in EDM's names.
#[derive(Debug, Args)]
struct SamplerArgs {
    #[arg(long, default_value_t = 32)]
    steps: usize,
    #[arg(long, default_value_t = 0.002)]
    sigma_min: f64,
    #[arg(long, default_value_t = 80.0)]
    sigma_max: f64,
    #[arg(long, default_value_t = 7.0)]
    rho: f64,
    #[arg(long = "S-churn", default_value_t = 0.0)]
    s_churn: f64,
    #[arg(long = "S-min", default_value_t = 0.0)]
    s_min: f64,
    #[arg(long = "S-max", default_value_t = f64::INFINITY)]
    s_max: f64,
    #[arg(long = "S-noise", default_value_t = 1.0)]
    s_noise: f64,
    /// Type of the sampler's state
    #[arg(long, value_enum, default_value = "fp32")]
    state: StateArg,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum StateArg {
    Fp32,
    Fp64,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum PrecisionArg {
    Fp32,
    Bf16,
    Fp16,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum NoiseArg {
    Cpu,
}

fn parse_interval(text: &str) -> Result<(f64, f64), String> {
    let parsed =
        text.split_once(',').and_then(|(lo, hi)| Some((lo.trim().parse().ok()?, hi.trim().parse().ok()?)));
    match parsed {
        Some((lo, hi)) if lo < hi => Ok((lo, hi)),
        _ => Err("expected LO,HI with LO < HI".to_owned()),
    }
}

fn parse_encoder(name: &str) -> Result<Encoder, String> {
    serde_json::from_value(name.into()).map_err(|_| "expected rgb or space-to-depth".to_owned())
}

/// Samples and writes; nothing is left behind when it fails.
pub fn sample(args: &SampleArgs) -> Result<u8, Failure> {
    let interrupt = Interrupt::watch()?;
    let seeds = args.seeds.to_vec();
    if seeds.is_empty() {
        return Err(anyhow::anyhow!("`--seeds` names no seed: give a list such as 0-9").into());
    }
    let NoiseArg::Cpu = args.noise;
    let device = device::parse(&args.device)?;
    let lanes = args.lanes.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let mut generator = Generator::load(&recipe(args), device, lanes)?;
    let generated = match generator.generate(&seeds, &|| interrupt.signal().is_some()) {
        Ok(generated) => generated,
        Err(error) => return interrupt.signal().map_or_else(|| Err(error.into()), Ok),
    };
    let latents = generated.latents.context("the sampler left no latents")?;
    let seeds: Vec<i64> = seeds.iter().map(|&seed| seed as i64).collect();
    let tensors = [
        Tensor::from_f32("latents", &latents.shape, &latents.data),
        Tensor::from_f32("noise", &generated.noise.shape, &generated.noise.data),
        Tensor::from_i64("labels", &[generated.labels.len()], &generated.labels),
        Tensor::from_i64("seeds", &[seeds.len()], &seeds),
    ];
    if let (Some(path), Some(images)) = (&args.png, &generated.images) {
        output::write_whole(path, &sheet(images)?)?;
    }
    output::write_tensors(&args.out, &tensors)?;
    Ok(exit::DONE)
}

fn recipe(args: &SampleArgs) -> Recipe {
    let sampler = &args.sampler;
    Recipe {
        net: args.net.clone(),
        gnet: args.gnet.clone(),
        guidance: args.guidance,
        interval: args.guidance_interval,
        sampler: Sampler {
            num_steps: sampler.steps,
            sigma_min: sampler.sigma_min,
            sigma_max: sampler.sigma_max,
            rho: sampler.rho,
            s_churn: sampler.s_churn,
            s_min: sampler.s_min,
            s_max: sampler.s_max,
            s_noise: sampler.s_noise,
            state: match sampler.state {
                StateArg::Fp32 => State::Fp32,
                StateArg::Fp64 => State::Fp64,
            },
        },
        class: args.class,
        precision: match args.precision {
            PrecisionArg::Fp32 => Precision::Fp32,
            PrecisionArg::Bf16 => Precision::Bf16,
            PrecisionArg::Fp16 => Precision::Fp16,
        },
        encoder: args.encoder,
        micro_batch: args.micro_batch,
        latents: true,
        images: args.png.is_some(),
        detectors: Default::default(),
    }
}

fn sheet(images: &Buffer<u8>) -> anyhow::Result<Vec<u8>> {
    let [_, channels, height, width] = images.shape[..] else { bail!("the images are not [N, C, H, W]") };
    ensure!(matches!(channels, 1 | 3), "a PNG takes 1 or 3 channels, the images have {channels}");
    grid::png(&images.data, grid::ImageShape { channels, height, width })
}
