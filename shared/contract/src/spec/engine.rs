//! What makes the images: each engine with what it alone needs.

use super::{
    DatasetSpec, Edm2Spec, FileRef, Labels, Outputs, Sampling, SyntheticSpec, TrainSpec,
    validate::{Checked, require},
};
use crate::text::text_enum;

text_enum! {
    /// What makes the images.
    #[derive(Default)]
    EngineKind: "engine" {
        /// A diffusion net in the EDM2 format.
        #[default]
        Edm2 = "edm2",
        /// Images that exist: a seed is an image's place in the dataset.
        Dataset = "dataset",
        /// A cheap deterministic function of the seed, for trying the fleet without nets.
        Synthetic = "synthetic",
        /// The training of a net: its chunk is the whole of it, its seed stands for nothing.
        Train = "train",
    }
}

/// An engine and its settings. Another one is a variant here, a file beside this one and its fields in `written`.
#[derive(Debug, Clone, PartialEq)]
pub enum EngineSpec {
    Edm2(Edm2Spec),
    Dataset(DatasetSpec),
    Synthetic(SyntheticSpec),
    Train(TrainSpec),
}

impl EngineSpec {
    /// Which one it is.
    pub fn kind(&self) -> EngineKind {
        match self {
            Self::Edm2(_) => EngineKind::Edm2,
            Self::Dataset(_) => EngineKind::Dataset,
            Self::Synthetic(_) => EngineKind::Synthetic,
            Self::Train(_) => EngineKind::Train,
        }
    }

    /// How images are sampled: part of each run's identity, though only `edm2` reads all of it.
    pub fn sampling(&self) -> &Sampling {
        match self {
            Self::Edm2(Edm2Spec { sampling, .. })
            | Self::Dataset(DatasetSpec { sampling, .. })
            | Self::Synthetic(SyntheticSpec { sampling, .. })
            | Self::Train(TrainSpec { sampling, .. }) => sampling,
        }
    }

    /// The EDM2 pair, where it is one.
    pub fn edm2(&self) -> Option<&Edm2Spec> {
        if let Self::Edm2(model) = self { Some(model) } else { None }
    }

    /// The images that exist, where they are what is looked at.
    pub fn dataset(&self) -> Option<&DatasetSpec> {
        if let Self::Dataset(images) = self { Some(images) } else { None }
    }

    /// The training, where it is one.
    pub fn train(&self) -> Option<&TrainSpec> {
        if let Self::Train(training) = self { Some(training) } else { None }
    }

    /// Every file that it names, with its field.
    pub(super) fn files_mut(&mut self) -> Vec<(&'static str, &mut FileRef)> {
        let (mut files, sampling) = match self {
            Self::Edm2(Edm2Spec { net, gnet, vae, sampling, .. }) => {
                let mut files = vec![("net", net)];
                files.extend(gnet.as_mut().map(|file| ("gnet", file)));
                files.extend(vae.as_mut().map(|file| ("vae", file)));
                (files, sampling)
            }
            Self::Dataset(DatasetSpec { data, sampling, .. }) => (vec![("data", data)], sampling),
            // What is trained on is named, and never hashed.
            Self::Synthetic(SyntheticSpec { sampling, .. }) | Self::Train(TrainSpec { sampling, .. }) => {
                (Vec::new(), sampling)
            }
        };
        if let Labels::File(file) = &mut sampling.labels {
            files.push(("labels.file", file));
        }
        files
    }

    pub(super) fn validate(&self, outputs: Outputs) -> Checked {
        match self {
            Self::Edm2(model) => model.validate().and_then(|()| model.check_vae()),
            Self::Dataset(images) => {
                images.sampling.validate()?;
                require(!outputs.latents && !outputs.images, "outputs", || {
                    "the engine `dataset` keeps features only, its images exist already: remove it".into()
                })
            }
            Self::Synthetic(synthetic) => synthetic.validate(),
            Self::Train(training) => training.validate(outputs),
        }
    }
}
