//! Sums of weights.

use std::collections::BTreeMap;
use std::path::Path;

use tch::{Kind, Tensor};

use super::error::PosthocError;
use super::plan::{Output, Reconstruction};
use crate::checkpoint::Checkpoint;
use crate::net::{NetConfig, StateDict};
use crate::train::outdir::{Outdir, OutdirError, metadata};
use crate::train::snapshots::{IMAGES_KEY, SIGMA_REL_KEY, Snapshot};

/// Metadata key of what an average was made of: name and size of each snapshot.
const SOURCES_KEY: &str = "snapshots";

/// How far a reconstruction is from what it is to equal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// ‖difference‖ over ‖weights‖, of all trained tensors together.
    pub relative: f64,
    /// The largest difference of a value over the largest value of its tensor.
    pub largest: f64,
}

/// Told after each of n snapshots: (k, n).
pub type Step<'a> = &'a dyn Fn(usize, usize);

impl Reconstruction {
    /// Makes the averages out of the snapshots in `from` and writes them into `to`, each as float16 with its config, images,
    /// width and sources in the metadata; those that are there already, whole and of the same sources, stay. Gives the names
    /// of those that it made.
    ///
    /// # Errors
    /// A snapshot that cannot be read or is of another net, a file that cannot be written.
    pub fn blend(
        &self,
        (from, to): (&dyn Outdir, &dyn Outdir),
        step: Step<'_>,
    ) -> Result<Vec<String>, PosthocError> {
        let sources = self.sources();
        let there = to.list()?;
        let mut missing = Vec::new();
        for output in &self.outputs {
            if !there.contains(&output.name) || !is_whole(to, &output.name, &sources)? {
                missing.push(output);
            }
        }
        let Some((config, sums)) = self.sums(from, &missing, step)? else { return Ok(Vec::new()) };
        for (output, sum) in missing.iter().zip(sums) {
            let state = sum.into_iter().map(|(name, tensor)| (name, tensor.to_kind(Kind::Half))).collect();
            let said = [
                (IMAGES_KEY, self.images.to_string()),
                (SIGMA_REL_KEY, output.sigma_rel.to_string()),
                (SOURCES_KEY, sources.clone()),
            ];
            let net = Checkpoint { config: config.clone(), state };
            let file = net.to_file(said.map(|(key, value)| (key.to_owned(), value)))?;
            to.write(&output.name, &file.to_bytes()?)?;
        }
        Ok(missing.into_iter().map(|output| output.name.clone()).collect())
    }

    /// How far each output is from the stored average of its name.
    ///
    /// # Errors
    /// A snapshot that cannot be read or is of another net.
    pub fn differences(&self, from: &dyn Outdir, step: Step<'_>) -> Result<Vec<Difference>, PosthocError> {
        let all: Vec<&Output> = self.outputs.iter().collect();
        let Some((_, sums)) = self.sums(from, &all, step)? else { return Ok(Vec::new()) };
        let difference = |(output, sum): (&Output, StateDict)| {
            let stored = read(from, &output.name)?;
            Ok(difference(&sum, &stored.state))
        };
        self.outputs.iter().zip(sums).map(difference).collect()
    }

    /// The sums of `outputs`, and the config of their net; reads each snapshot once. `None` where there are no outputs.
    fn sums(
        &self,
        from: &dyn Outdir,
        outputs: &[&Output],
        step: Step<'_>,
    ) -> Result<Option<(NetConfig, Vec<StateDict>)>, PosthocError> {
        if outputs.is_empty() {
            return Ok(None);
        }
        let mut sums: Vec<StateDict> = outputs.iter().map(|_| StateDict::new()).collect();
        let mut first: Option<(&Snapshot, NetConfig)> = None;
        for (index, snapshot) in self.inputs.iter().enumerate() {
            let net = read(from, &snapshot.name)?;
            if let Some((one, config)) = &first {
                let paths = (&*from.place(&one.name), &*from.place(&snapshot.name));
                same_net(paths, (config, &sums[0]), &net)?;
            }
            for (output, sum) in outputs.iter().zip(&mut sums) {
                add(sum, &net.state, output.coefficients[index]);
            }
            first.get_or_insert((snapshot, net.config));
            step(index + 1, self.inputs.len());
        }
        Ok(first.map(|(_, config)| (config, sums)))
    }

    fn sources(&self) -> String {
        let source = |snapshot: &Snapshot| format!("{}:{}", snapshot.name, snapshot.num_bytes);
        self.inputs.iter().map(source).collect::<Vec<_>>().join(" ")
    }
}

fn read(from: &dyn Outdir, name: &str) -> Result<Checkpoint, PosthocError> {
    Ok(Checkpoint::of(from.read(name)?, &from.place(name))?)
}

fn is_whole(to: &dyn Outdir, name: &str, sources: &str) -> Result<bool, OutdirError> {
    let (_, said) = metadata(to, name)?;
    Ok(said.is_some_and(|said| said.get(SOURCES_KEY).is_some_and(|found| found == sources)))
}

/// Products and sums in float64, kept as float32.
fn add(sum: &mut StateDict, state: &StateDict, coefficient: f64) {
    for (name, tensor) in state {
        let part = tensor.to_kind(Kind::Double) * coefficient;
        let total: Tensor = match sum.get(name) {
            Some(sum) => sum.to_kind(Kind::Double) + part,
            None => part,
        };
        sum.insert(name.clone(), total.to_kind(Kind::Float));
    }
}

fn difference(found: &StateDict, stored: &StateDict) -> Difference {
    let (mut squares, mut norm, mut largest) = (0.0, 0.0, 0.0_f64);
    for (name, tensor) in stored {
        let tensor = tensor.to_kind(Kind::Double);
        let off = found[name].to_kind(Kind::Double) - &tensor;
        squares += off.square().sum(Kind::Double).double_value(&[]);
        norm += tensor.square().sum(Kind::Double).double_value(&[]);
        let scale = tensor.abs().max().double_value(&[]);
        largest = largest.max(off.abs().max().double_value(&[]) / scale.max(f64::MIN_POSITIVE));
    }
    Difference { relative: (squares / norm.max(f64::MIN_POSITIVE)).sqrt(), largest }
}

fn same_net(
    (one, other): (&Path, &Path),
    (config, sum): (&NetConfig, &StateDict),
    net: &Checkpoint,
) -> Result<(), PosthocError> {
    let mixed = |difference: String| {
        Err(PosthocError::Mixed { one: one.to_owned(), other: other.to_owned(), difference })
    };
    if net.config != *config {
        return mixed("their configs differ".to_owned());
    }
    let shapes = |state: &StateDict| -> BTreeMap<String, Vec<i64>> {
        state.iter().map(|(name, tensor)| (name.clone(), tensor.size())).collect()
    };
    let (ours, theirs) = (shapes(sum), shapes(&net.state));
    match ours.iter().find(|(name, shape)| theirs.get(*name) != Some(shape)) {
        Some((name, shape)) => {
            mixed(format!("`{name}` is {shape:?} in one, {:?} in the other", theirs.get(name)))
        }
        None if theirs.len() > ours.len() => mixed("one has tensors that the other lacks".to_owned()),
        None => Ok(()),
    }
}
