//! The published figures of EDM2 and autoguidance, each as the run that reproduces it.

mod table;

use crate::{
    detectors::{self, Metric},
    ids::MAX_NAME_LEN,
    seeds::Seeds,
    spec::{
        DetectorSpec, Edm2Spec, Encoder, EngineSpec, FileRef, NoiseMode, Outputs, Precision, RunSpec,
        Sampling,
    },
};

pub use table::PRESETS;

/// The authors' download site.
pub const MODELS_URL: &str = "https://nvlabs-fi-cdn.nvidia.com/edm2";
/// Inception-v3 as the reference implementation of the FID has it, as a PyTorch state dict.
pub const INCEPTION: &str = "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth";
/// DINOv2 ViT-L/14.
pub const DINOV2: &str = "https://dl.fbaipublicfiles.com/dinov2/dinov2_vitl14/dinov2_vitl14_pretrain.pth";
/// Stability's autoencoder, in diffusers' names.
pub const VAE: &str =
    "https://huggingface.co/stabilityai/sd-vae-ft-mse/resolve/main/diffusion_pytorch_model.safetensors";

/// One published figure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Preset {
    /// Names the run.
    pub name: &'static str,
    /// File name of the main net, without `.pkl`.
    pub net: &'static str,
    /// File name of the guiding net.
    pub gnet: Option<&'static str>,
    /// w; 1 is unguided.
    pub guidance: f64,
    /// What was measured.
    pub metric: Metric,
    /// The figure: the minimum over seeds 0–49999, 50000–99999 and 100000–149999.
    pub published: f64,
}

/// Where a preset's files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sites {
    /// Holds `posthoc-reconstructions/` with the nets and `dataset-refs/` with the statistics.
    pub models: String,
    /// Weights of the detector `inception`.
    pub inception: String,
    /// Weights of the detector `dinov2`.
    pub dinov2: String,
    /// Weights of the encoder `stability-vae`.
    pub vae: String,
}

impl Default for Sites {
    fn default() -> Self {
        let [models, inception, dinov2, vae] = [MODELS_URL, INCEPTION, DINOV2, VAE].map(str::to_owned);
        Self { models, inception, dinov2, vae }
    }
}

/// The preset of a name.
///
/// # Errors
/// There is none.
pub fn find(name: &str) -> Result<&'static Preset, PresetError> {
    let found = PRESETS.iter().find(|preset| preset.name == name);
    found.ok_or_else(|| PresetError(name.chars().take(MAX_NAME_LEN).collect()))
}

/// No such preset.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no preset `{0}`: `fidelis presets` lists them")]
pub struct PresetError(String);

crate::usage_errors!(PresetError);

impl Preset {
    /// The name of the detector behind the figure.
    pub fn detector(&self) -> &'static str {
        self.metric.detector().map_or(detectors::INCEPTION, |detector| detector.name)
    }

    /// Images are 64×64 RGB; else 512×512, through the autoencoder.
    pub fn is_img64(&self) -> bool {
        self.net.starts_with("edm2-img64-")
    }

    /// Address of the main net.
    pub fn net_url(&self, sites: &Sites) -> String {
        net_url(self.net, sites)
    }

    /// Address of the guiding net.
    pub fn gnet_url(&self, sites: &Sites) -> Option<String> {
        self.gnet.map(|gnet| net_url(gnet, sites))
    }

    /// Address of the reference statistics.
    pub fn reference_url(&self, sites: &Sites) -> String {
        let dataset = if self.is_img64() { "img64" } else { "img512" };
        format!("{}/dataset-refs/{dataset}.pkl", sites.models.trim_end_matches('/'))
    }

    fn weights_url<'a>(&self, sites: &'a Sites) -> &'a str {
        match self.metric {
            Metric::Fid => &sites.inception,
            _ => &sites.dinov2,
        }
    }

    /// The run behind the figure: 50,000 images, noise as torch's CUDA generator has it, nets in float16 as published.
    pub fn spec(&self, sites: &Sites) -> RunSpec {
        RunSpec {
            name: self.name.to_owned(),
            engine: EngineSpec::Edm2(self.model(sites)),
            seeds: all_seeds(),
            outputs: Outputs::default(),
            detectors: vec![DetectorSpec {
                name: self.detector().to_owned(),
                weights: FileRef::new(self.weights_url(sites)),
                reference: Some(FileRef::new(self.reference_url(sites))),
                held_out: None,
                published: Some(self.published),
            }],
            chunk_size: 256,
            micro_batch: 64,
            priority: 0,
        }
    }

    /// The nets and how they are sampled.
    pub fn model(&self, sites: &Sites) -> Edm2Spec {
        let vae = (!self.is_img64()).then(|| FileRef::new(&sites.vae));
        Edm2Spec {
            net: FileRef::new(self.net_url(sites)),
            gnet: self.gnet_url(sites).map(FileRef::new),
            sampling: Sampling {
                guidance: self.guidance,
                noise: NoiseMode::Cuda,
                precision: Precision::Fp16,
                encoder: Some(if vae.is_some() { Encoder::StabilityVae } else { Encoder::Rgb }),
                ..Sampling::default()
            },
            vae,
            vae_precision: None,
        }
    }

    /// The same as a spec file, to begin one of one's own with.
    pub fn toml(&self, sites: &Sites) -> String {
        let (spec, Edm2Spec { net, gnet, vae, sampling, .. }) = (self.spec(sites), self.model(sites));
        let text = |value: &str| serde_json::Value::from(value).to_string();
        let file = |name: &str, file: &FileRef| format!("{name} = {}\n", text(&file.path));
        let optional =
            |name: &str, it: &Option<FileRef>| it.as_ref().map_or(String::new(), |it| file(name, it));
        format!(
            "# {what} of {published} as published: the minimum over the seeds 0-49999, 50000-99999 and 100000-149999.\n\
             # A file may be pinned: {{ path = \"…\", sha256 = \"…\" }}\n\
             name = {name}\nseeds = \"{seeds}\"\n{net}{gnet}guidance = {guidance:?}\nnoise = \"{noise}\"\n\
             precision = \"{precision}\"\nencoder = \"{encoder}\"\n{vae}chunk_size = {chunk}\nmicro_batch = {micro}\n\n\
             [[detectors]]\nname = \"{detector}\"\nweights = {weights}\nreference = {reference}\npublished = {published:?}\n",
            what = self.metric.label(),
            published = self.published,
            name = text(self.name),
            seeds = spec.seeds,
            net = file("net", &net),
            gnet = optional("gnet", &gnet),
            guidance = self.guidance,
            noise = sampling.noise,
            precision = sampling.precision,
            encoder = if self.is_img64() { Encoder::Rgb } else { Encoder::StabilityVae },
            vae = optional("vae", &vae),
            chunk = spec.chunk_size,
            micro = spec.micro_batch,
            detector = self.detector(),
            weights = text(self.weights_url(sites)),
            reference = text(&self.reference_url(sites)),
        )
    }
}

/// 50,000 of them: the first of the three runs.
fn all_seeds() -> Seeds {
    Seeds::from_ranges([(0, 49_999)]).unwrap_or_else(|_| unreachable!("one ascending range"))
}

fn net_url(name: &str, sites: &Sites) -> String {
    format!("{}/posthoc-reconstructions/{name}.pkl", sites.models.trim_end_matches('/'))
}

#[cfg(test)]
mod tests;
