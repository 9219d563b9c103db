//! The spec's identity: one text for one meaning, wherever the files lie.

use serde_json::Value;

use super::RunSpec;
use crate::{
    ids::{Digest, PoolId, RunId},
    kind::Kind,
    text::is_name,
};

impl RunSpec {
    /// The spec as compact JSON: keys sorted, defaults filled in, files reduced to their sha256, the priority
    /// and published figures left out. A file that is not [resolved](Self::resolve) stands with its path instead.
    pub fn canonical(&self) -> String {
        let mut spec = self.clone();
        for (_, file) in spec.files_mut() {
            if file.sha256.is_some() {
                file.path.clear();
            }
        }
        for detector in &mut spec.detectors {
            detector.published = None;
        }
        // Serialising plain data with string keys cannot fail.
        let mut value = serde_json::to_value(spec).unwrap_or_default();
        if let Value::Object(fields) = &mut value {
            fields.remove("priority");
        }
        let mut text = String::new();
        write_sorted(&value, &mut text);
        text
    }

    /// The digest of [`canonical`](Self::canonical).
    pub fn digest(&self) -> Digest {
        Digest::of(self.canonical().as_bytes())
    }

    /// The run this spec describes.
    ///
    /// A name that [`validate`](Self::validate) refuses is replaced by `run`, so that no key can be led astray.
    pub fn run_id(&self) -> RunId {
        let name = if is_name(&self.name, crate::ids::MAX_NAME_LEN) { &self.name } else { "run" };
        RunId::new(name, &self.digest()).unwrap_or_else(|_| unreachable!("a checked name makes a run id"))
    }

    /// The pool whose workers have these nets loaded.
    pub fn pool(&self) -> PoolId {
        let digest = |file: &Option<super::FileRef>| {
            file.as_ref()
                .map_or(String::from("-"), |f| f.sha256.map_or_else(|| f.path.clone(), |d| d.to_string()))
        };
        let mut models = format!("{} {} {}", digest(&self.net), digest(&self.gnet), self.engine);
        if self.data.is_some() {
            models = format!("{models} {}", digest(&self.data));
        }
        PoolId::new(self.priority, &Digest::of(models.as_bytes()))
    }

    /// The kinds of object each chunk has, in a fixed order.
    pub fn kinds(&self) -> Vec<Kind> {
        let mut kinds = Vec::new();
        kinds.extend(self.outputs.latents.then_some(Kind::Latents));
        kinds.extend(self.outputs.images.then_some(Kind::Images));
        kinds.extend(self.detectors.iter().map(|detector| Kind::Features(detector.name.clone())));
        kinds
    }
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
