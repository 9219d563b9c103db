//! `fidelis-worker sample`: images of a list of seeds, without a fleet.

use std::path::PathBuf;

use anyhow::{Context, anyhow, bail, ensure};
use clap::Args;
use fidelis_contract::{
    exit,
    payload::Tensor,
    seeds::{Seeds, SeedsError},
    spec::{
        Damage, Edm2Spec, Encoder, FileRef, Labels, NoiseMode, Outputs, Precision, SamplerSpec, Sampling,
        SpecError, StateDtype,
    },
};
use fidelis_edm2::device;
use fidelis_edm2::generate::{Buffer, Generator, Recipe};

use super::Failure;
use super::{grid, output};
use crate::engine::edm2;
use crate::interrupt::Interrupt;

#[derive(Debug, Args)]
pub struct SampleArgs {
    /// Main net, .pkl as published or .safetensors: a path, s3://bucket/key or https://…
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
    #[command(flatten)]
    damage: DamageArgs,
    /// Seeds, as 0-49999 or 1,2,5-10
    #[arg(long)]
    seeds: Seeds,
    /// random, balanced (seed mod classes), class:N or file:F (line seed mod lines)
    #[arg(long, default_value_t)]
    labels: Labels,
    /// One class for all images, as `--labels class:N`
    #[arg(long, conflicts_with = "labels")]
    class: Option<u32>,
    #[command(flatten)]
    sampler: SamplerArgs,
    /// Random stream of the noise: cpu, or cuda as the published figures have it
    #[arg(long, default_value_t)]
    noise: NoiseMode,
    /// cpu or cuda:N
    #[arg(long, default_value = "cpu")]
    device: String,
    /// Arithmetic of the nets: fp32, bf16 or fp16
    #[arg(long, default_value_t)]
    precision: Precision,
    /// How latents become pixels, where the net's file does not say: rgb, space-to-depth or stability-vae
    #[arg(long)]
    encoder: Option<Encoder>,
    /// Weights of the encoder stability-vae (.safetensors, diffusers' names)
    #[arg(long, value_name = "F")]
    vae: Option<PathBuf>,
    /// Arithmetic of that encoder: fp32, as the authors run it, bf16 or fp16
    #[arg(long, value_name = "PRECISION", requires = "vae", default_value = "fp32")]
    vae_precision: Precision,
    /// Images that go through the nets together
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    micro_batch: u32,
    /// Micro-batches side by side on a CPU [default: one for each core]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1024))]
    lanes: Option<u32>,
    /// Where the tensors go: latents, noise, labels, seeds, and images where pixels can be made (.safetensors)
    #[arg(long)]
    out: PathBuf,
    /// A sheet of the images
    #[arg(long)]
    png: Option<PathBuf>,
}

/// Heun's sampler, in EDM's names.
#[derive(Debug, Args)]
struct SamplerArgs {
    #[arg(long, default_value_t = SamplerSpec::DEFAULT.num_steps)]
    steps: u32,
    #[arg(long, default_value_t = SamplerSpec::DEFAULT.sigma_min)]
    sigma_min: f64,
    #[arg(long, default_value_t = SamplerSpec::DEFAULT.sigma_max)]
    sigma_max: f64,
    #[arg(long, default_value_t = SamplerSpec::DEFAULT.rho)]
    rho: f64,
    #[arg(long = "S-churn", default_value_t = SamplerSpec::DEFAULT.s_churn)]
    s_churn: f64,
    #[arg(long = "S-min", default_value_t = SamplerSpec::DEFAULT.s_min)]
    s_min: f64,
    #[arg(long = "S-max", default_value_t = SamplerSpec::DEFAULT.s_max)]
    s_max: f64,
    #[arg(long = "S-noise", default_value_t = SamplerSpec::DEFAULT.s_noise)]
    s_noise: f64,
    /// Type of the sampler's state: fp32 or fp64
    #[arg(long, default_value_t)]
    state: StateDtype,
}

/// What makes a net worse, to see what guidance mends; 0 does nothing.
#[derive(Debug, Args)]
struct DamageArgs {
    /// Share of activations that the main net's blocks drop
    #[arg(long, value_name = "P", default_value_t = 0.0)]
    net_dropout: f64,
    /// By what share the noise that the main net sees, and is told, is higher
    #[arg(long, value_name = "P", default_value_t = 0.0)]
    net_input_noise: f64,
    /// The same of the guiding net
    #[arg(long, value_name = "P", default_value_t = 0.0)]
    gnet_dropout: f64,
    /// The same of the guiding net
    #[arg(long, value_name = "P", default_value_t = 0.0)]
    gnet_input_noise: f64,
}

impl DamageArgs {
    fn net(&self) -> Damage {
        Damage { dropout: self.net_dropout, input_noise: self.net_input_noise }
    }

    fn gnet(&self) -> Damage {
        Damage { dropout: self.gnet_dropout, input_noise: self.gnet_input_noise }
    }
}

fn parse_interval(text: &str) -> Result<(f64, f64), String> {
    let parsed =
        text.split_once(',').and_then(|(lo, hi)| Some((lo.trim().parse().ok()?, hi.trim().parse().ok()?)));
    match parsed {
        Some((lo, hi)) if lo < hi => Ok((lo, hi)),
        _ => Err("expected LO,HI with LO < HI".to_owned()),
    }
}

impl SamplerArgs {
    fn spec(&self) -> SamplerSpec {
        SamplerSpec {
            num_steps: self.steps,
            sigma_min: self.sigma_min,
            sigma_max: self.sigma_max,
            rho: self.rho,
            s_churn: self.s_churn,
            s_min: self.s_min,
            s_max: self.s_max,
            s_noise: self.s_noise,
            state: self.state,
        }
    }
}

impl SampleArgs {
    fn model(&self) -> Edm2Spec {
        let file = |path: &PathBuf| FileRef::new(path.display().to_string());
        Edm2Spec {
            net: file(&self.net),
            gnet: self.gnet.as_ref().map(file),
            vae: self.vae.as_ref().map(file),
            vae_precision: Some(self.vae_precision),
            sampling: Sampling {
                guidance: self.guidance,
                guidance_interval: self.guidance_interval,
                labels: self.class.map_or_else(|| self.labels.clone(), Labels::Class),
                sampler: self.sampler.spec(),
                noise: self.noise,
                precision: self.precision,
                encoder: self.encoder,
                net_damage: self.damage.net(),
                gnet_damage: self.damage.gnet(),
            },
        }
    }

    /// Whether what it is to write can be written.
    pub fn check_outputs(&self) -> Result<(), Failure> {
        if self.png.as_ref() == Some(&self.out) {
            return Err(anyhow::anyhow!("`--out` and `--png` name one file: give each its own").into());
        }
        Ok(output::check([&self.out].into_iter().chain(&self.png).map(PathBuf::as_path))?)
    }

    /// What it reads, but for the labels.
    pub fn files(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        [Some(&mut self.net), self.gnet.as_mut(), self.vae.as_mut()].into_iter().flatten()
    }
}

/// Samples and writes; nothing is left behind when it fails.
pub fn sample(args: &SampleArgs) -> Result<u8, Failure> {
    let interrupt = Interrupt::watch()?;
    let seeds = args.seeds.to_vec();
    if seeds.is_empty() {
        return Err(anyhow::anyhow!("`--seeds` names no seed: give a list such as 0-9").into());
    }
    let model = args.model();
    check(&model, &args.seeds)?;
    let device = device::open(&args.device)?;
    let lanes = args.lanes.map_or_else(edm2::default_lanes, |lanes| lanes as usize);
    let recipe = Recipe {
        model,
        micro_batch: args.micro_batch as usize,
        outputs: Outputs { latents: true, images: args.png.is_some() || args.vae.is_some() },
        detectors: Default::default(),
    };
    let mut generator = Generator::load(&recipe, device, lanes)?;
    generator.add_free_images(&recipe);
    let generated = match generator.generate(&seeds, &|| interrupt.signal().is_some()) {
        Ok(generated) => generated,
        Err(error) => return interrupt.signal().map_or_else(|| Err(error.into()), Ok),
    };
    let latents = generated.latents.context("the sampler left no latents")?;
    let seeds: Vec<i64> = seeds.iter().map(|&seed| seed as i64).collect();
    let mut tensors = vec![
        Tensor::from_f32("latents", &latents.shape, &latents.data),
        Tensor::from_f32("noise", &generated.noise.shape, &generated.noise.data),
        Tensor::from_i64("labels", &[generated.labels.len()], &generated.labels),
        Tensor::from_i64("seeds", &[seeds.len()], &seeds),
    ];
    if let (Some(path), Some(images)) = (&args.png, &generated.images) {
        output::write_whole(path, &sheet(images)?)?;
    }
    // What `fidelis-worker features --images` reads.
    if let Some(images) = generated.images.filter(|images| matches!(images.shape[..], [_, 1 | 3, _, _])) {
        tensors.push(Tensor::from_u8("images", &images.shape, images.data));
    }
    output::write_tensors(&args.out, &tensors)?;
    Ok(exit::DONE)
}

/// The rules of a spec, of which a command line is one in other words. Seeds that make the same image are made here, as
/// nothing is counted.
fn check(model: &Edm2Spec, seeds: &Seeds) -> Result<(), Failure> {
    validate(model)?;
    if let Err(SeedsError::SameImage { seed, twin }) = seeds.check_distinct_images()
        && seed != twin
    {
        tracing::warn!("seeds `{seed}` and `{twin}` make the same image, as torch takes a seed modulo 2^32");
    }
    Ok(())
}

/// Those of the model, by the names of the command line.
pub fn validate(model: &Edm2Spec) -> Result<(), Failure> {
    Ok(model.validate().map_err(|error| match error {
        SpecError::Field { field, problem } => anyhow!("`--{}` ({field}): {problem}", option(&field)),
        other => other.into(),
    })?)
}

/// What a field of a spec is called on the command line.
fn option(field: &str) -> String {
    match field.rsplit_once('.') {
        Some(("sampler", "num_steps")) => "steps".to_owned(),
        Some(("sampler", name)) => name.replace('_', "-"),
        Some((table, name)) => format!("{}-{name}", table.trim_end_matches("_damage")).replace('_', "-"),
        None => match field.strip_suffix("_damage") {
            Some(net) => format!("{net}-dropout`, `--{net}-input-noise"),
            None => field.replace('_', "-"),
        },
    }
}

fn sheet(images: &Buffer<u8>) -> anyhow::Result<Vec<u8>> {
    let [_, channels, height, width] = images.shape[..] else { bail!("the images are not [N, C, H, W]") };
    ensure!(matches!(channels, 1 | 3), "a PNG takes 1 or 3 channels, the images have {channels}");
    grid::png(&images.data, grid::ImageShape { channels, height, width })
}
