//! A spec as people and stores write it: the fields of all engines side by side.

use serde::{Deserialize, Serialize};

use super::{
    Damage, DatasetSpec, DetectorSpec, Edm2Spec, Encoder, EngineKind, EngineSpec, FileRef, Labels, NoiseMode,
    Outputs, Precision, RunSpec, SamplerSpec, Sampling, SpecError, SyntheticSettings, SyntheticSpec,
    TrainSettings, TrainSpec,
    validate::{Checked, field, require},
};
use crate::seeds::Seeds;

const CHUNK_SIZE: u32 = 256;
const MICRO_BATCH: u32 = 64;

/// Fields in the order of `spec.json`. What they mean is told where they belong.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    name: String,
    #[serde(default)]
    engine: EngineKind,
    /// A training has none of its own.
    #[serde(default)]
    seeds: Option<Seeds>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    net: Option<FileRef>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gnet: Option<FileRef>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    data: Option<FileRef>,
    #[serde(default, skip_serializing_if = "is_false")]
    allow_unreadable: bool,
    #[serde(default = "one")]
    guidance: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    guidance_interval: Option<(f64, f64)>,
    #[serde(default)]
    labels: Labels,
    #[serde(default)]
    sampler: SamplerSpec,
    #[serde(default)]
    noise: NoiseMode,
    #[serde(default)]
    precision: Precision,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    encoder: Option<Encoder>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    vae: Option<FileRef>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    vae_precision: Option<Precision>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    net_damage: Option<Damage>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gnet_damage: Option<Damage>,
    #[serde(default)]
    outputs: Outputs,
    #[serde(default)]
    detectors: Vec<DetectorSpec>,
    #[serde(default = "chunk_size")]
    chunk_size: u32,
    #[serde(default)]
    micro_batch: Option<u32>,
    #[serde(default)]
    priority: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    synthetic: Option<SyntheticSettings>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    train: Option<TrainSettings>,
}

impl Written {
    /// Refuses what belongs to another engine than the one that is named.
    fn check_engine(&self) -> Checked {
        let of = [
            ("net", EngineKind::Edm2, self.net.is_some()),
            ("gnet", EngineKind::Edm2, self.gnet.is_some()),
            ("vae", EngineKind::Edm2, self.vae.is_some()),
            ("vae_precision", EngineKind::Edm2, self.vae_precision.is_some()),
            ("guidance", EngineKind::Edm2, self.guidance != 1.0),
            ("net_damage", EngineKind::Edm2, self.net_damage.is_some()),
            ("gnet_damage", EngineKind::Edm2, self.gnet_damage.is_some()),
            ("data", EngineKind::Dataset, self.data.is_some()),
            ("allow_unreadable", EngineKind::Dataset, self.allow_unreadable),
            ("synthetic", EngineKind::Synthetic, self.synthetic.is_some()),
            ("train", EngineKind::Train, self.train.is_some()),
        ];
        of.into_iter().try_for_each(|(name, owner, is_said)| {
            require(!is_said || owner == self.engine, name, || {
                let engine = self.engine;
                format!("the engine `{engine}` has no use for it: remove it, or set `engine` to `{owner}`")
            })
        })
    }
}

impl TryFrom<Written> for RunSpec {
    type Error = SpecError;

    fn try_from(written: Written) -> Result<Self, SpecError> {
        written.check_engine()?;
        let kind = written.engine;
        let missing = |name, what| field(name, format!("missing: the engine `{kind}` needs {what}"));
        let sampling = Sampling {
            guidance: written.guidance,
            guidance_interval: written.guidance_interval,
            labels: written.labels,
            sampler: written.sampler,
            noise: written.noise,
            precision: written.precision,
            encoder: written.encoder,
            net_damage: written.net_damage.unwrap_or_default(),
            gnet_damage: written.gnet_damage.unwrap_or_default(),
        };
        let seeds = match (kind, written.seeds) {
            (EngineKind::Train, None) => Seeds::from_ranges([(0, 0)]).unwrap_or_default(),
            (EngineKind::Train, Some(seeds)) if seeds.len() > 1 => {
                return Err(field(
                    "seeds",
                    "a training is a run of one seed, which decides nothing: remove it".into(),
                ));
            }
            (_, Some(seeds)) => seeds,
            (_, None) => return Err(missing("seeds", "the images to make, as `0-49999`")),
        };
        let engine = match kind {
            EngineKind::Edm2 => EngineSpec::Edm2(Edm2Spec {
                net: written.net.ok_or_else(|| missing("net", "a net file"))?,
                gnet: written.gnet,
                vae: written.vae,
                vae_precision: written.vae_precision,
                sampling,
            }),
            EngineKind::Dataset => EngineSpec::Dataset(DatasetSpec {
                data: written.data.ok_or_else(|| missing("data", "images"))?,
                allow_unreadable: written.allow_unreadable,
                sampling,
            }),
            EngineKind::Synthetic => {
                EngineSpec::Synthetic(SyntheticSpec { written: written.synthetic, sampling })
            }
            EngineKind::Train => EngineSpec::Train(TrainSpec {
                settings: written.train.ok_or_else(|| missing("train", "a table of what to train"))?,
                sampling,
            }),
        };
        Ok(Self {
            name: written.name,
            engine,
            seeds,
            outputs: written.outputs,
            detectors: written.detectors,
            chunk_size: written.chunk_size,
            // A chunk smaller than the default is one micro-batch; what is said stays, right or wrong.
            micro_batch: written.micro_batch.unwrap_or(MICRO_BATCH.min(written.chunk_size)),
            priority: written.priority,
        })
    }
}

impl From<RunSpec> for Written {
    fn from(spec: RunSpec) -> Self {
        let engine = spec.engine.kind();
        let (mut net, mut gnet, mut vae, mut vae_precision) = (None, None, None, None);
        let (mut data, mut allow_unreadable, mut synthetic, mut train) = (None, false, None, None);
        let sampling = match spec.engine {
            EngineSpec::Edm2(model) => {
                net = Some(model.net);
                (gnet, vae, vae_precision) = (model.gnet, model.vae, model.vae_precision);
                model.sampling
            }
            EngineSpec::Dataset(images) => {
                (data, allow_unreadable) = (Some(images.data), images.allow_unreadable);
                images.sampling
            }
            EngineSpec::Synthetic(numbers) => {
                synthetic = numbers.written;
                numbers.sampling
            }
            EngineSpec::Train(training) => {
                train = Some(training.settings);
                training.sampling
            }
        };
        let (net_damage, gnet_damage) = (sampling.net_damage.stated(), sampling.gnet_damage.stated());
        let Sampling { guidance, guidance_interval, labels, sampler, noise, precision, encoder, .. } =
            sampling;
        let RunSpec { name, seeds, outputs, detectors, chunk_size, priority, .. } = spec;
        let micro_batch = Some(spec.micro_batch);
        Self {
            name,
            engine,
            seeds: Some(seeds),
            net,
            gnet,
            data,
            allow_unreadable,
            guidance,
            guidance_interval,
            labels,
            sampler,
            noise,
            precision,
            encoder,
            vae,
            vae_precision,
            net_damage,
            gnet_damage,
            outputs,
            detectors,
            chunk_size,
            micro_batch,
            priority,
            synthetic,
            train,
        }
    }
}

fn chunk_size() -> u32 {
    CHUNK_SIZE
}

fn is_false(value: &bool) -> bool {
    !value
}

fn one() -> f64 {
    1.0
}
