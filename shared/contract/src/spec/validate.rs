//! The rules that all specs keep, each with the field's name in its message.

use super::{EngineKind, RunSpec, SpecError};
use crate::{address::Address, detectors, ids::MAX_NAME_LEN, kind::MAX_DETECTOR_LEN, text::is_name};

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
        if self.engine.kind() == EngineKind::Edm2 {
            self.seeds.check_distinct_images().map_err(|error| field("seeds", error.to_string()))?;
        }
        self.engine.validate(self.outputs)?;
        self.check_detectors()?;
        let is_training = self.engine.kind() == EngineKind::Train;
        require(!is_training || self.detectors.is_empty(), "detectors", || {
            "the engine `train` makes no images to look at: sample its snapshots in a run of their own".into()
        })?;
        require(is_training || !self.kinds().is_empty(), "outputs", || {
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

    fn check_detectors(&self) -> Checked {
        for (i, detector) in self.detectors.iter().enumerate() {
            let (name, at) = (&detector.name, format!("detectors[{i}].name"));
            // The synthetic engine makes features for any name.
            let own = self.engine.kind() == EngineKind::Synthetic || detector.is_torchscript();
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
