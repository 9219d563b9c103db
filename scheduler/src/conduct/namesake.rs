//! A name is meant to be one run of a store: another spec of a name that is taken is refused, with the difference.

use std::collections::BTreeMap;

use fidelis_contract::{ids::RunId, keys, spec::ResolvedSpec};
use fidelis_fleet::{
    store::{Store, StoreError},
    stored,
};
use serde_json::Value;

/// Differences shown; more are counted.
const SHOWN: usize = 6;

/// A run of the same name and another spec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namesake {
    /// Which.
    pub run: RunId,
    /// Each field in which it differs, as ``guidance` 1.2 → 1.5`.
    pub differences: Vec<String>,
}

impl Namesake {
    /// The differences as a phrase.
    pub fn difference(&self) -> String {
        let shown = self.differences.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
        match self.differences.len().saturating_sub(SHOWN) {
            0 => shown,
            more => format!("{shown} and {more} more"),
        }
    }
}

/// The run that has a spec's name and differs from it least; `None` when the name is free, or the run is there itself.
///
/// # Errors
/// What kept the store from answering.
pub async fn find(store: &Store, spec: &ResolvedSpec) -> Result<Option<Namesake>, StoreError> {
    let ours = spec.run_id();
    let folders = store.folder(&keys::runs_prefix(&spec.name)).await?.folders;
    let runs = folders.iter().filter_map(|folder| keys::parse_run_folder(folder));
    let runs: Vec<RunId> = runs.filter(|run: &RunId| run.name() == spec.name).collect();
    if runs.contains(&ours) {
        return Ok(None);
    }
    let mut closest: Option<Namesake> = None;
    for run in runs {
        let key = keys::spec(&run);
        let Some(bytes) = store.get(&key).await? else { continue };
        match stored::spec(&key, &bytes) {
            Ok(theirs) => {
                let differences = differences(&theirs, spec);
                if closest.as_ref().is_none_or(|closest| differences.len() < closest.differences.len()) {
                    closest = Some(Namesake { run, differences });
                }
            }
            Err(error) => tracing::warn!("cannot compare with a run of the same name: {error}"),
        }
    }
    Ok(closest)
}

/// The fields in which two resolved specs differ, old → new.
pub fn differences(old: &ResolvedSpec, new: &ResolvedSpec) -> Vec<String> {
    changes(old, new).into_iter().map(|[name, old, new]| format!("`{name}` {old} → {new}")).collect()
}

/// The same as name, old value and new value.
pub fn changes(old: &ResolvedSpec, new: &ResolvedSpec) -> Vec<[String; 3]> {
    let (old, new) = (fields(old), fields(new));
    let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
    names.sort();
    names.dedup();
    let shown = |value: Option<&String>| value.map_or_else(|| "absent".to_owned(), String::clone);
    let differ = names.into_iter().filter(|name| old.get(*name) != new.get(*name));
    differ.map(|name| [name.clone(), shown(old.get(name)), shown(new.get(name))]).collect()
}

/// Dotted names and values of everything that makes a run's identity.
fn fields(spec: &ResolvedSpec) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    // The canonical form is JSON by construction.
    flatten("", &serde_json::from_str(&spec.canonical()).unwrap_or_default(), &mut fields);
    fields
}

fn flatten(name: &str, value: &Value, fields: &mut BTreeMap<String, String>) {
    let inner = |key: &str| if name.is_empty() { key.to_owned() } else { format!("{name}.{key}") };
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| flatten(&inner(key), value, fields)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, value)| flatten(&format!("{name}[{i}]"), value, fields));
        }
        Value::String(text) => {
            fields.insert(name.to_owned(), shortened(text));
        }
        plain => {
            fields.insert(name.to_owned(), plain.to_string());
        }
    }
}

/// Long digests and seed lists are told apart by their beginning and end.
fn shortened(text: &str) -> String {
    const LONGEST: usize = 40;
    let chars: Vec<char> = text.chars().collect();
    if chars.len() <= LONGEST {
        return text.to_owned();
    }
    let part = |chars: &[char]| chars.iter().collect::<String>();
    format!("{}…{}", part(&chars[..12]), part(&chars[chars.len() - 6..]))
}

#[cfg(test)]
mod tests {
    use fidelis_contract::spec::RunSpec;

    use super::*;

    fn spec(extra: &str) -> ResolvedSpec {
        let text = format!("name = \"n\"\nengine = \"synthetic\"\noutputs = {{ latents = true }}\n{extra}");
        ResolvedSpec::new(RunSpec::from_toml(&text, "test").unwrap()).unwrap()
    }

    #[test]
    fn differences_are_named_old_to_new() {
        let old = spec("seeds = \"0-9\"\nchunk_size = 8\nmicro_batch = 4");
        let new = spec("seeds = \"0-99\"\nchunk_size = 8\nmicro_batch = 8\nsampler = { S_churn = 2.5 }");
        let expected = ["`micro_batch` 4 → 8", "`sampler.S_churn` 0.0 → 2.5", "`seeds` 0-9 → 0-99"];
        assert_eq!(differences(&old, &new), expected);
        assert_eq!(differences(&old, &old), Vec::<String>::new());
        let urgent = spec("seeds = \"0-9\"\nchunk_size = 8\nmicro_batch = 4\npriority = 7");
        assert_eq!(differences(&old, &urgent), Vec::<String>::new(), "no part of a run's identity");
        let kept = spec("seeds = \"0-9\"\nchunk_size = 8\nmicro_batch = 4\nsynthetic = { label_dim = 3 }");
        assert!(differences(&old, &kept).contains(&"`synthetic.label_dim` absent → 3".to_owned()));
    }
}
