//! Specs: read once from the store, then known by their digest.

use std::collections::VecDeque;

use fidelis_contract::{
    arithmetic::{self, OtherArithmetic},
    ids::Digest,
    keys,
    receipt::FIRST_ARITHMETIC,
    run::Run,
    wire::ChunkTask,
};
use fidelis_fleet::{store::Store, stored};

use super::setback::Setback;

/// Specs kept; a worker rarely serves more runs at a time.
const CAPACITY: usize = 16;
/// Receipts looked at before a worker's first chunk of a run.
const SAMPLE: usize = 64;

/// The runs seen last.
#[derive(Debug, Default)]
pub struct Specs {
    runs: VecDeque<(Digest, Run)>,
}

impl Specs {
    /// The run of a task.
    ///
    /// # Errors
    /// [`Setback::Hopeless`] for a spec that is missing, damaged or not the one of the task; what kept the store
    /// from answering. [`Setback::Unfit`] for a run of another arithmetic.
    pub async fn get(&mut self, store: &Store, task: &ChunkTask) -> Result<Run, Setback> {
        if let Some((_, run)) = self.runs.iter().find(|(digest, _)| *digest == task.spec_digest) {
            return Ok(run.clone());
        }
        let key = keys::spec(&task.run);
        let bytes = store
            .get(&key)
            .await?
            .ok_or_else(|| Setback::Hopeless(format!("the store has no `{key}`: submit the run again")))?;
        let run = read(task, &key, &bytes).map_err(Setback::Hopeless)?;
        check_arithmetic(store, task, &run).await?;
        self.runs.truncate(CAPACITY - 1);
        self.runs.push_front((task.spec_digest, run.clone()));
        Ok(run)
    }
}

/// Leaves a run that holds chunks of another arithmetic than ours to those that made them. Of many receipts a sample is
/// looked at: versions change once in a run's life, and the reducer looks at all of them.
///
/// # Errors
/// [`Setback::Unfit`] for such a run; what kept the store from answering.
async fn check_arithmetic(store: &Store, task: &ChunkTask, run: &Run) -> Result<(), Setback> {
    let engine = run.spec.engine.kind();
    if arithmetic::of(engine) == FIRST_ARITHMETIC {
        return Ok(());
    }
    let listed = store.folder(&keys::receipts_prefix(&task.run)).await?.objects;
    let chunks: Vec<_> = listed.iter().filter_map(|object| keys::parse_receipt_key(&object.key)).collect();
    let sample =
        chunks.iter().copied().step_by(chunks.len().div_ceil(SAMPLE).max(1)).chain(chunks.last().copied());
    let found = stored::arithmetics(store, &task.run, sample).await?;
    match OtherArithmetic::among(&task.run, engine, &found) {
        Some(other) => Err(Setback::Unfit(other.to_string())),
        None => Ok(()),
    }
}

fn read(task: &ChunkTask, key: &str, bytes: &[u8]) -> Result<Run, String> {
    let spec = stored::spec(key, bytes).map_err(|error| format!("`{key}`: {error}"))?;
    spec.validate().map_err(|error| format!("`{key}`: {error}"))?;
    let run = Run::new(spec);
    let found = run.spec.digest();
    if found != task.spec_digest || run.id != task.run {
        return Err(format!(
            "`{key}` has digest `{found}`, the task names `{}`: submit the run again with this version",
            task.spec_digest
        ));
    }
    Ok(run)
}

#[cfg(test)]
mod tests {
    use fidelis_contract::spec::{ResolvedSpec, RunSpec};

    use super::*;

    #[test]
    fn a_spec_of_another_digest_is_refused_with_both() {
        let text = "name = \"s\"\nengine = \"synthetic\"\nseeds = \"0-9\"\noutputs = { latents = true }";
        let spec = ResolvedSpec::new(RunSpec::from_toml(text, "test").unwrap()).unwrap();
        let mut task = ChunkTask { run: spec.run_id(), chunk: 0, spec_digest: spec.digest() };
        let bytes = spec.to_json().into_bytes();
        assert_eq!(read(&task, "k", &bytes).map(|run| run.plan.num_images()), Ok(10));
        task.spec_digest = Digest::of(b"another");
        let error = read(&task, "k", &bytes).unwrap_err();
        assert!(error.contains(&spec.digest().to_string()) && error.contains(&task.spec_digest.to_string()));
    }
}
