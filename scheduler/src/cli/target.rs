//! The run that a command is about: by its id, its name, the beginning of its id, or the spec that describes it.

use std::path::Path;

use anyhow::anyhow;
use clap::Args;
use fidelis_contract::{exit, ids::RunId, keys, run::Run, seeds::Seeds, spec::RunSpec};
use fidelis_fleet::{
    files::{Depth, Files},
    store::Store,
    stored,
};

use super::{
    Failure,
    presets::{PresetArgs, single},
    transfer::Transfers,
};

/// Candidates named in a refusal.
const SHOWN: usize = 20;

/// Which run.
#[derive(Debug, Clone, Args)]
pub struct TargetArgs {
    /// Id of the run, its name, the beginning of its id, or its spec (.toml or .json)
    #[arg(required_unless_present = "preset", conflicts_with = "preset")]
    run: Option<String>,
    #[command(flatten)]
    preset: PresetArgs,
    /// The seeds that the spec was submitted with, where they are not its own
    #[arg(long, value_name = "LIST")]
    seeds: Option<Seeds>,
}

/// What names a run, read without looking into the store.
#[derive(Debug)]
pub enum Target {
    /// Its id.
    Id(RunId),
    /// Its name, or the beginning of its id.
    Beginning(String),
}

impl TargetArgs {
    /// Reads the spec, where one is named.
    ///
    /// # Errors
    /// What names no run, or whatever is wrong with the spec.
    pub async fn read(&self, files: &Files) -> Result<Target, Failure> {
        let mut spec = match &self.run {
            None => single(self.preset.specs()?)?,
            Some(text) if is_spec(text) => RunSpec::load(Path::new(text))?,
            Some(text) if self.seeds.is_some() => {
                let text = format!("`--seeds` goes with a spec, and `{text}` is none: leave it out");
                return Err(Failure::new(exit::USAGE, anyhow!(text)));
            }
            Some(text) => return Target::named(text),
        };
        if let Some(seeds) = &self.seeds {
            spec.seeds = seeds.clone();
        }
        Target::of_spec(spec, files).await
    }
}

fn is_spec(text: &str) -> bool {
    text.ends_with(".toml") || text.ends_with(".json")
}

impl Target {
    /// What an option of a command names: a spec's run, an id, a name or the beginning of an id.
    ///
    /// # Errors
    /// It is none of these, or whatever is wrong with the spec.
    pub async fn of(text: &str, files: &Files) -> Result<Self, Failure> {
        match is_spec(text) {
            true => Self::of_spec(RunSpec::load(Path::new(text))?, files).await,
            false => Self::named(text),
        }
    }

    async fn of_spec(spec: RunSpec, files: &Files) -> Result<Self, Failure> {
        spec.validate()?;
        let transfers = Transfers::default();
        let spec = files.resolve(spec, Depth::Digests, &|transfer| transfers.tell(transfer)).await?;
        Ok(Self::Id(spec.run_id()))
    }

    /// What an id, a name or the beginning of an id names.
    ///
    /// # Errors
    /// It is none of these.
    pub fn named(text: &str) -> Result<Target, Failure> {
        if let Ok(run) = text.parse() {
            return Ok(Target::Id(run));
        }
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if !text.is_empty() && text.bytes().all(plain) {
            return Ok(Target::Beginning(text.to_owned()));
        }
        let text =
            format!("`{text}` is neither the id or name of a run, as `submit` prints it, nor a spec file");
        Err(Failure::new(exit::USAGE, anyhow!(text)))
    }

    /// The run, as the store knows it.
    ///
    /// # Errors
    /// No such run, or several.
    pub async fn find(&self, store: &Store) -> Result<Run, Failure> {
        let run = match self {
            Self::Id(run) => run.clone(),
            Self::Beginning(text) => {
                let folders = store.folder(&keys::runs_beginning(text)).await?.folders;
                one_of(text, folders.iter().filter_map(|folder| keys::parse_run_folder(folder)).collect())?
            }
        };
        Ok(stored::find(store, &run).await?)
    }
}

/// The run of this name, if one is called so; else the one whose id begins so.
fn one_of(text: &str, mut runs: Vec<RunId>) -> Result<RunId, Failure> {
    if runs.iter().any(|run| run.name() == text) {
        runs.retain(|run| run.name() == text);
    }
    let refusal = match &runs[..] {
        [run] => return Ok(run.clone()),
        [] => format!(
            "the store has no run that is called `{text}` or whose id begins so: submit its spec first, or check \
             the store's url"
        ),
        several => {
            let shown: Vec<String> = several.iter().take(SHOWN).map(|run| format!("`{run}`")).collect();
            let more = several.len().saturating_sub(SHOWN);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let how = if several.iter().any(|run| run.name() == text) {
                "are called"
            } else {
                "have ids that begin with"
            };
            format!(
                "{} runs {how} `{text}`: {}{more}; give as much of an id as one of them has, or its spec",
                several.len(),
                shown.join(", ")
            )
        }
    };
    Err(Failure::new(exit::USAGE, anyhow!(refusal)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(text: &str) -> Result<String, String> {
        let ids = [
            "demo-0123456789abcdef",
            "demo-b-1123456789abcdef",
            "twin-2123456789abcdef",
            "twin-2223456789abcdef",
        ];
        let runs =
            ids.iter().map(|id| id.parse::<RunId>().unwrap()).filter(|run| run.as_str().starts_with(text));
        one_of(text, runs.collect()).map(|run| run.to_string()).map_err(|failure| failure.to_string())
    }

    #[test]
    fn a_name_or_a_beginning_is_one_run_or_refused() {
        assert_eq!(chosen("demo").unwrap(), "demo-0123456789abcdef", "the name, not the longer one");
        assert_eq!(chosen("demo-b").unwrap(), "demo-b-1123456789abcdef");
        assert_eq!(chosen("demo-0").unwrap(), "demo-0123456789abcdef");
        assert_eq!(chosen("twin-22").unwrap(), "twin-2223456789abcdef");
        let several = chosen("twin").unwrap_err();
        assert_eq!(
            several,
            "2 runs are called `twin`: `twin-2123456789abcdef`, `twin-2223456789abcdef`; give as much of an id as one of \
             them has, or its spec"
        );
        assert!(
            chosen("twin-2").unwrap_err().starts_with("2 runs have ids that begin with `twin-2`: `twin-21")
        );
        assert!(chosen("other").unwrap_err().contains("`other`"));
    }

    #[test]
    fn what_could_name_nothing_is_refused_at_once() {
        for text in ["", "no such", "../x", "Demo", "specs/x.yaml"] {
            assert!(Target::named(text).is_err(), "{text}");
        }
    }
}
