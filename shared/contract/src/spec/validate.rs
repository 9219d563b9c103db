//! Every rule a spec must keep, each with the field's name in its message.

use super::{DETECTORS, EncoderKind, EngineKind, Labels, RunSpec, SamplerSpec, SpecError};
use crate::{address::Address, ids::MAX_NAME_LEN, kind::MAX_DETECTOR_LEN, text::is_name};

type Checked = Result<(), SpecError>;

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
        self.check_engine()?;
        self.check_guidance()?;
        self.sampler.validate()?;
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
        require(settings.feature_dim >= 1, "synthetic.feature_dim", || {
            "`0` is too small: use at least `1`".into()
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

    fn check_guidance(&self) -> Checked {
        require(self.guidance.is_finite(), "guidance", || {
            format!("`{}` is no finite number", self.guidance)
        })?;
        let guided = self.guidance != 1.0;
        require(!guided || self.engine == EngineKind::Edm2, "guidance", || {
            format!("the engine `{}` has nothing to guide: remove it", self.engine)
        })?;
        require(!guided || self.gnet.is_some(), "guidance", || {
            format!("`{}` needs a guiding net: set `gnet`, or set guidance to `1`", self.guidance)
        })?;
        let Some((lo, hi)) = self.guidance_interval else { return Ok(()) };
        require(lo.is_finite() && hi.is_finite() && lo >= 0.0 && lo < hi, "guidance_interval", || {
            format!("`[{lo}, {hi}]` is no interval of noise levels: use `0 <= lo < hi`")
        })
    }

    fn check_detectors(&self) -> Checked {
        for (i, detector) in self.detectors.iter().enumerate() {
            let (name, at) = (&detector.name, format!("detectors[{i}].name"));
            // The synthetic engine makes features for any name.
            let own = self.engine == EngineKind::Synthetic || detector.is_torchscript();
            let known = DETECTORS.contains(&name.as_str()) || (own && is_name(name, MAX_DETECTOR_LEN));
            require(known, &at, || {
                let known = DETECTORS.join("`, `");
                format!(
                    "unknown detector `{name}`: use one of `{known}`, or a TorchScript file (`.pt`) as weights"
                )
            })?;
            let twice = self.detectors[..i].iter().any(|other| other.name == *name);
            require(!twice, &at, || format!("`{name}` is listed twice: keep one"))?;
            require(detector.held_out.is_none() || detector.reference.is_some(), &at, || {
                format!("`{name}` has `held_out` but no `reference` to compare it with: add one")
            })?;
        }
        Ok(())
    }
}

impl SamplerSpec {
    /// Checks the sampler's settings; also for use without a spec.
    ///
    /// # Errors
    /// [`SpecError::Field`] for the first rule that is broken.
    pub fn validate(&self) -> Checked {
        require(self.num_steps >= 2, "sampler.num_steps", || {
            format!("`{}` is too small: use at least `2`", self.num_steps)
        })?;
        let positive = |value: f64| value.is_finite() && value > 0.0;
        let at_least_zero = |value: f64| value.is_finite() && value >= 0.0;
        for (name, value, good) in [
            ("sampler.sigma_min", self.sigma_min, positive(self.sigma_min)),
            ("sampler.sigma_max", self.sigma_max, positive(self.sigma_max)),
            ("sampler.rho", self.rho, positive(self.rho)),
            ("sampler.S_churn", self.s_churn, at_least_zero(self.s_churn)),
            ("sampler.S_min", self.s_min, at_least_zero(self.s_min)),
            ("sampler.S_max", self.s_max, self.s_max >= self.s_min),
            ("sampler.S_noise", self.s_noise, at_least_zero(self.s_noise)),
        ] {
            require(good, name, || format!("`{value}` is out of range"))?;
        }
        require(self.sigma_min < self.sigma_max, "sampler.sigma_min", || {
            format!("`{}` is not below sigma_max, `{}`", self.sigma_min, self.sigma_max)
        })
    }
}

fn require(good: bool, name: &str, problem: impl FnOnce() -> String) -> Checked {
    if good { Ok(()) } else { Err(field(name, problem())) }
}

fn field(name: &str, problem: String) -> SpecError {
    SpecError::Field { field: name.to_owned(), problem }
}
