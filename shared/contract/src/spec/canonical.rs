//! The spec's identity: one text for one meaning, wherever the files lie.

use std::ops::Deref;

use serde_json::Value;

use super::{FileRef, RunSpec, SpecError, written::Written};
use crate::{
    ids::{Digest, MAX_NAME_LEN, PoolId, RunId},
    kind::Kind,
    text::is_name,
};

/// A spec whose every file's digest is known. Only such a one names a run: another's identity would change with the
/// places of its files.
#[derive(Debug, Clone, PartialEq)]
pub struct ResolvedSpec {
    spec: RunSpec,
    /// Of the canonical form.
    digest: Digest,
}

impl Deref for ResolvedSpec {
    type Target = RunSpec;

    fn deref(&self) -> &RunSpec {
        &self.spec
    }
}

impl ResolvedSpec {
    /// A spec after its files were hashed.
    ///
    /// # Errors
    /// [`SpecError::Field`] for a name that no run can have, and for a file whose digest is not known.
    pub fn new(spec: RunSpec) -> Result<Self, SpecError> {
        let refuse = |field: &str, problem| Err(SpecError::Field { field: field.to_owned(), problem });
        if !is_name(&spec.name, MAX_NAME_LEN) {
            return refuse("name", format!("`{}` is no run name", spec.name));
        }
        match spec.files().into_iter().find(|(_, file)| file.sha256.is_none()) {
            Some((field, file)) => refuse(&field, format!("the digest of `{}` is not known", file.shown())),
            None => Ok(Self { digest: Digest::of(canonical(&spec).as_bytes()), spec }),
        }
    }

    /// Reads a stored `spec.json`; `origin` names it in errors.
    ///
    /// # Errors
    /// [`SpecError::Syntax`], and those of [`new`](Self::new).
    pub fn from_json(text: &str, origin: &str) -> Result<Self, SpecError> {
        Self::new(RunSpec::from_json(text, origin)?)
    }

    /// The same run, with files elsewhere: `place` gives each file's path, by its field.
    pub fn placed(&self, mut place: impl FnMut(&str, &FileRef) -> String) -> LocalSpec {
        let mut spec = self.spec.clone();
        for (field, file) in spec.files_mut() {
            file.path = place(&field, file);
        }
        LocalSpec(spec)
    }

    /// The spec as compact JSON: keys sorted, defaults filled in, files reduced to their sha256, the priority
    /// and published figures left out.
    pub fn canonical(&self) -> String {
        canonical(&self.spec)
    }

    /// The digest of [`canonical`](Self::canonical).
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The run this spec describes.
    pub fn run_id(&self) -> RunId {
        RunId::new(&self.name, &self.digest())
            .unwrap_or_else(|_| unreachable!("a checked name makes a run id"))
    }

    /// The pool whose workers have these nets loaded.
    pub fn pool(&self) -> PoolId {
        let digest = |field| self.sha256(field).map(|digest| digest.to_string());
        let net = |field| digest(field).unwrap_or_else(|| "-".to_owned());
        let mut models = format!("{} {} {}", net("net"), net("gnet"), self.engine.kind());
        if let Some(data) = digest("data") {
            models = format!("{models} {data}");
        }
        PoolId::new(self.priority, &Digest::of(models.as_bytes()))
    }
}

/// A resolved spec whose files lie on this machine: what an engine works from.
#[derive(Debug, Clone, PartialEq)]
pub struct LocalSpec(RunSpec);

impl Deref for LocalSpec {
    type Target = RunSpec;

    fn deref(&self) -> &RunSpec {
        &self.0
    }
}

impl RunSpec {
    /// The kinds of object each chunk has, in a fixed order.
    pub fn kinds(&self) -> Vec<Kind> {
        let mut kinds = Vec::new();
        kinds.extend(self.outputs.latents.then_some(Kind::Latents));
        kinds.extend(self.outputs.images.then_some(Kind::Images));
        kinds.extend(self.detectors.iter().map(|detector| Kind::Features(detector.name.clone())));
        kinds
    }
}

fn canonical(spec: &RunSpec) -> String {
    let mut spec = spec.clone();
    for (_, file) in spec.files_mut() {
        file.path.clear();
    }
    for detector in &mut spec.detectors {
        detector.published = None;
    }
    // Serialising plain data with string keys cannot fail.
    let mut value = serde_json::to_value(Written::from(spec)).unwrap_or_default();
    if let Value::Object(fields) = &mut value {
        fields.remove("priority");
    }
    let mut text = String::new();
    write_sorted(&value, &mut text);
    text
}

/// Writes JSON with sorted keys, whatever order serde_json's map keeps in this build.
fn write_sorted(value: &Value, text: &mut String) {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_unstable_by_key(|(key, _)| key.as_str());
            text.push('{');
            for (i, (key, field)) in fields.into_iter().enumerate() {
                text.push_str(if i == 0 { "" } else { "," });
                text.push_str(&Value::from(key.as_str()).to_string());
                text.push(':');
                write_sorted(field, text);
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for (i, item) in items.iter().enumerate() {
                text.push_str(if i == 0 { "" } else { "," });
                write_sorted(item, text);
            }
            text.push(']');
        }
        plain => text.push_str(&plain.to_string()),
    }
}
