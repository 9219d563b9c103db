//! Sums of weights.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use fidelis_formats::tensors;
use tch::{Kind, Tensor};

use super::error::PosthocError;
use super::plan::{Output, Reconstruction};
use crate::checkpoint::Checkpoint;
use crate::net::{NetConfig, StateDict};
use crate::train::snapshots::{IMAGES_KEY, SIGMA_REL_KEY, Snapshot};

/// Metadata key of what an average was made of: name and size of each snapshot.
const SOURCES_KEY: &str = "snapshots";

impl Reconstruction {
    /// Makes the averages and writes them into `folder`, each as float16 with its config, images, width and sources in the
    /// metadata; those that are there already, of the same sources, stay. `step(k, n)` is told after each of n snapshots.
    /// Gives the paths of all.
    ///
    /// # Errors
    /// A snapshot that cannot be read or is of another net, a file that cannot be written.
    pub fn blend(&self, folder: &Path, step: &dyn Fn(usize, usize)) -> Result<Vec<PathBuf>, PosthocError> {
        let sources = self.sources();
        let paths: Vec<PathBuf> = self.outputs.iter().map(|output| folder.join(&output.name)).collect();
        let is_missing = |(_, path): &(&Output, &PathBuf)| !is_there(path, &sources);
        let missing: Vec<_> = self.outputs.iter().zip(&paths).filter(is_missing).collect();
        if missing.is_empty() {
            return Ok(paths);
        }
        let mut sums: Vec<StateDict> = missing.iter().map(|_| StateDict::new()).collect();
        let mut first: Option<(&Snapshot, NetConfig)> = None;
        for (index, snapshot) in self.inputs.iter().enumerate() {
            let net = Checkpoint::read(&snapshot.path)?;
            if let Some((one, config)) = &first {
                same_net(one, config, &sums[0], (snapshot, &net))?;
            }
            for ((output, _), sum) in missing.iter().zip(&mut sums) {
                add(sum, &net.state, output.coefficients[index]);
            }
            first.get_or_insert((snapshot, net.config));
            step(index + 1, self.inputs.len());
        }
        let Some((_, config)) = first else { return Ok(paths) };
        for ((output, path), sum) in missing.iter().zip(sums) {
            let state = sum.into_iter().map(|(name, tensor)| (name, tensor.to_kind(Kind::Half))).collect();
            let said = [
                (IMAGES_KEY, self.images.to_string()),
                (SIGMA_REL_KEY, output.sigma_rel.to_string()),
                (SOURCES_KEY, sources.clone()),
            ];
            let net = Checkpoint { config: config.clone(), state };
            net.to_file(said.map(|(key, value)| (key.to_owned(), value)))?.write(path)?;
        }
        Ok(paths)
    }

    fn sources(&self) -> String {
        let source = |snapshot: &Snapshot| {
            let name = snapshot.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let num_bytes = fs::metadata(&snapshot.path).map_or(0, |file| file.len());
            format!("{name}:{num_bytes}")
        };
        self.inputs.iter().map(source).collect::<Vec<_>>().join(" ")
    }
}

fn is_there(path: &Path, sources: &str) -> bool {
    tensors::read_metadata(path).is_ok_and(|found| found.get(SOURCES_KEY).is_some_and(|s| s == sources))
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

fn same_net(
    one: &Snapshot,
    config: &NetConfig,
    sum: &StateDict,
    (other, net): (&Snapshot, &Checkpoint),
) -> Result<(), PosthocError> {
    let mixed = |difference: String| {
        Err(PosthocError::Mixed { one: one.path.clone(), other: other.path.clone(), difference })
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
