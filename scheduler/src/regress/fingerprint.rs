//! Is what is compared alike? A protocol or a machine that differs from the baseline's is told by name, before anything is
//! concluded from images.

use fidelis_contract::{
    baseline::Environment,
    spec::{ResolvedSpec, SpecError},
};
use serde::Serialize;

use crate::conduct::namesake;

/// Fields of a spec that change the rounding of images and nothing else.
const ROUNDING: [&str; 2] = ["chunk_size", "micro_batch"];

/// Something that is not as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// A field of the spec, or a property of machines: `device_model`, `driver`, `cuda`, `libtorch`, `arithmetic`.
    pub field: String,
    /// The baseline's.
    pub baseline: String,
    /// Tonight's.
    pub tonight: String,
    /// Somebody said that it may be so.
    pub allowed: bool,
    /// Whether other images are to be expected: not of what changes their rounding alone.
    pub changes_images: bool,
}

/// What may differ: names of fields, each with everything below it.
#[derive(Clone, Debug, Default)]
pub struct Allowed(pub Vec<String>);

impl Allowed {
    fn holds(&self, field: &str) -> bool {
        let is_below = |rest: &str| rest.is_empty() || rest.starts_with(['.', '[']);
        self.0.iter().any(|name| field.strip_prefix(name.as_str()).is_some_and(is_below))
    }
}

/// How tonight's spec differs from the baseline's, but for its name and for what is kept of the images.
///
/// # Errors
/// None of a spec that was checked.
pub fn of_specs(
    baseline: &ResolvedSpec,
    tonight: &ResolvedSpec,
    allowed: &Allowed,
) -> Result<Vec<Change>, SpecError> {
    let mut alike = (**tonight).clone();
    alike.name.clone_from(&baseline.name);
    alike.outputs = baseline.outputs;
    let changes = namesake::changes(baseline, &ResolvedSpec::new(alike)?);
    let change = |[field, baseline, tonight]: [String; 3]| Change {
        allowed: allowed.holds(&field),
        changes_images: !ROUNDING.contains(&field.as_str()),
        field,
        baseline,
        tonight,
    };
    Ok(changes.into_iter().map(change).collect())
}

/// How tonight's machines and programs differ from the baseline's.
pub fn of_environments(baseline: &Environment, tonight: &Environment, allowed: &Allowed) -> Vec<Change> {
    let change = |(field, baseline, tonight): (String, String, String)| Change {
        allowed: allowed.holds(&field),
        changes_images: field == "arithmetic",
        field,
        baseline,
        tonight,
    };
    tonight.beyond(baseline).into_iter().map(change).collect()
}

#[cfg(test)]
mod tests {
    use fidelis_contract::spec::RunSpec;

    use super::*;

    fn spec(name: &str, extra: &str) -> ResolvedSpec {
        let text =
            format!("name = \"{name}\"\nengine = \"synthetic\"\nseeds = \"0-9\"\nchunk_size = 8\n{extra}");
        ResolvedSpec::new(RunSpec::from_toml(&text, "test").unwrap()).unwrap()
    }

    #[test]
    fn what_differs_is_named_and_may_be_allowed() {
        let was = spec("a", "micro_batch = 4\noutputs = { latents = true }");
        let same = spec("b", "micro_batch = 4\noutputs = { images = true }");
        let none = Allowed::default();
        assert_eq!(of_specs(&was, &same, &none).unwrap(), [], "names and outputs make no other images");
        let is = spec("b", "micro_batch = 8\noutputs = { latents = true }\nsampler = { num_steps = 31 }");
        let allowed = Allowed(vec!["sampler".into(), "micro".into()]);
        let found = of_specs(&was, &is, &allowed).unwrap();
        let shown: Vec<_> = found.iter().map(|c| (c.field.as_str(), c.allowed, c.changes_images)).collect();
        assert_eq!(shown, [("micro_batch", false, false), ("sampler.num_steps", true, true)]);
        assert_eq!((found[1].baseline.as_str(), found[1].tonight.as_str()), ("32", "31"));
    }
}
