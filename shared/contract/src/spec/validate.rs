//! Every rule a spec must keep, each with the field's name in its message.

use super::sampling::Sampling;
use super::{EncoderKind, EngineKind, Labels, RunSpec, SpecError};
use crate::{address::Address, detectors, ids::MAX_NAME_LEN, kind::MAX_DETECTOR_LEN, text::is_name};

/// More would not fit a reducer's memory.
const MAX_FEATURE_DIM: u32 = 16_384;

pub(super) type Checked = Result<(), SpecError>;

impl RunSpec {
    /// Checks everything that can be known without opening a file.
    ///
    /// # Errors
    /// [`SpecError::Field`] for the first rule that is broken.
    pub fn validate(&self) -> Checked {
        require(is_name(&self.name, MAX_NAME_LEN), "name", || {
            format!(
                "`{}` is no run name: use 1 to {MAX_NAME_LEN} of `a-z`, `0-9`, `-`, not starting with `-`",
                self.name
            )
        })?;
        self.seeds.check_ascending().map_err(|error| field("seeds", error.to_string()))?;
        if self.engine == EngineKind::Edm2 {
            self.seeds.check_distinct_images().map_err(|error| field("seeds", error.to_string()))?;
        }
        self.check_engine()?;
        self.check_guided()?;
        self.sampling().validate()?;
        self.check_detectors()?;
        require(!self.kinds().is_empty(), "outputs", || {
            "nothing to output: add a detector, or set `outputs.latents` or `outputs.images`".into()
        })?;
        require(self.chunk_size >= 1, "chunk_size", || "`0` is too small: use at least `1`".into())?;
        require((1..=self.chunk_size).contains(&self.micro_batch), "micro_batch", || {
            format!(
                "`{}` is out of range: use `1` to the chunk_size, `{}`",
                self.micro_batch, self.chunk_size
            )
        })?;
        self.files().iter().try_for_each(|(name, file)| {
            require(!file.path.is_empty(), name, || "the path is empty: name a file".into())?;
            let source = Address::of(file).map_err(|error| field(name, error.to_string()))?;
            source.check_storable().map_err(|reason| field(name, format!("`{}`: {reason}", file.shown())))
        })
    }

    fn check_engine(&self) -> Checked {
        let files = [("net", &self.net), ("gnet", &self.gnet), ("vae", &self.vae), ("data", &self.data)];
        let used: &[&str] = match self.engine {
            EngineKind::Edm2 => &["net", "gnet", "vae"],
            EngineKind::Dataset => &["data"],
            EngineKind::Synthetic => &[],
        };
        for (name, file) in files {
            require(file.is_none() || used.contains(&name), name, || {
                format!("the engine `{}` has no use for it: remove `{name}`", self.engine)
            })?;
        }
        require(!self.allow_unreadable || self.engine == EngineKind::Dataset, "allow_unreadable", || {
            format!("the engine `{}` reads no images: remove it", self.engine)
        })?;
        require(self.vae_precision.is_none() || self.vae.is_some(), "vae_precision", || {
            "belongs to `vae`: remove it, or name one".into()
        })?;
        require(self.synthetic.is_none() || self.engine == EngineKind::Synthetic, "synthetic", || {
            "belongs to another engine: remove it, or set `engine` to `synthetic`".into()
        })?;
        match self.engine {
            EngineKind::Edm2 => {
                require(self.net.is_some(), "net", || "missing: the engine `edm2` needs a net file".into())?;
                require(
                    self.vae.is_some() == (self.encoder == Some(EncoderKind::StabilityVae)),
                    "vae",
                    || "goes with `encoder = \"stability-vae\"` and only with it: set both or neither".into(),
                )
            }
            EngineKind::Dataset => {
                require(self.data.is_some(), "data", || "missing: the engine `dataset` needs images".into())?;
                require(!self.outputs.latents && !self.outputs.images, "outputs", || {
                    "the engine `dataset` keeps features only, its images exist already: remove it".into()
                })
            }
            EngineKind::Synthetic => self.check_synthetic(),
        }
    }

    fn check_synthetic(&self) -> Checked {
        let settings = self.synthetic.unwrap_or_default();
        require((1..=MAX_FEATURE_DIM).contains(&settings.feature_dim), "synthetic.feature_dim", || {
            format!("`{}` is out of range: use `1` to `{MAX_FEATURE_DIM}`", settings.feature_dim)
        })?;
        for (name, value) in [
            ("synthetic.feature_shift", settings.feature_shift),
            ("synthetic.feature_scale", settings.feature_scale),
        ] {
            require(value.is_finite(), name, || format!("`{value}` is no finite number"))?;
        }
        match self.labels {
            Labels::Class(class) if class >= settings.label_dim => Err(field(
                "labels",
                format!("class `{class}` does not exist: there are `{}`, from 0", settings.label_dim),
            )),
            Labels::Balanced | Labels::File(_) => {
                Err(field("labels", "the engine `synthetic` knows `random` and `class:N`".into()))
            }
            _ => Ok(()),
        }
    }

    fn check_guided(&self) -> Checked {
        require(self.guidance == 1.0 || self.engine == EngineKind::Edm2, "guidance", || {
            format!("the engine `{}` has nothing to guide: remove it", self.engine)
        })
    }

    fn sampling(&self) -> Sampling<'_> {
        Sampling {
            guidance: self.guidance,
            has_gnet: self.gnet.is_some(),
            guidance_interval: self.guidance_interval,
            sampler: &self.sampler,
        }
    }

    fn check_detectors(&self) -> Checked {
        for (i, detector) in self.detectors.iter().enumerate() {
            let (name, at) = (&detector.name, format!("detectors[{i}].name"));
            // The synthetic engine makes features for any name.
            let own = self.engine == EngineKind::Synthetic || detector.is_torchscript();
            let known = detectors::find(name).is_some() || (own && is_name(name, MAX_DETECTOR_LEN));
            require(known, &at, || {
                let known = detectors::known();
                format!(
                    "unknown detector `{name}`: use one of `{known}`, or a TorchScript file (`.pt`) as weights"
                )
            })?;
            let twice = self.detectors[..i].iter().any(|other| other.name == *name);
            require(!twice, &at, || format!("`{name}` is listed twice: keep one"))?;
            let published = detector.published.unwrap_or_default();
            require(published.is_finite(), &format!("detectors[{i}].published"), || {
                format!("`{published}` is no finite number")
            })?;
            require(detector.held_out.is_none() || detector.reference.is_some(), &at, || {
                format!("`{name}` has `held_out` but no `reference` to compare it with: add one")
            })?;
        }
        Ok(())
    }
}

pub(super) fn require(good: bool, name: &str, problem: impl FnOnce() -> String) -> Checked {
    if good { Ok(()) } else { Err(field(name, problem())) }
}

pub(super) fn field(name: &str, problem: String) -> SpecError {
    SpecError::Field { field: name.to_owned(), problem }
}
