//! Detectors on a command line: names, weights and references, in the same order.

use anyhow::{Result, bail};
use clap::Args;

use crate::dataset::DatasetDetector;

/// Which detectors look at the images.
#[derive(Debug, Clone, Args)]
pub struct DetectorArgs {
    /// inception, pytorch-fid, dinov2, fashion-cnn, or any name for TorchScript weights; may be given several times, each
    /// with its `--weights`
    #[arg(long = "detector", value_name = "NAME")]
    pub names: Vec<String>,
    /// The detector's weights
    #[arg(long, value_name = "FILE")]
    pub weights: Vec<String>,
}

impl DetectorArgs {
    /// Each detector with its weights and, of one for all or one for each, its reference.
    ///
    /// # Errors
    /// More or fewer of one than of the other.
    pub fn paired(&self, references: &[String]) -> Result<Vec<DatasetDetector>> {
        let (names, weights) = (&self.names, &self.weights);
        if names.is_empty() || names.len() != weights.len() {
            bail!(
                "`{}` of `--detector` and `{}` of `--weights`: give each detector its weights, in the same order",
                names.len(),
                weights.len()
            );
        }
        if !(references.len() <= 1 || references.len() == names.len()) {
            bail!(
                "`{}` of `--ref` for `{}` detectors: give one for each, in the same order, or one `.pkl` for all",
                references.len(),
                names.len()
            );
        }
        let reference = |i: usize| references.get(if references.len() == 1 { 0 } else { i }).cloned();
        let parts = names.iter().zip(weights).enumerate();
        Ok(parts
            .map(|(i, (name, weights))| DatasetDetector {
                name: name.clone(),
                weights: weights.clone(),
                reference: reference(i),
            })
            .collect())
    }
}

/// Which of the images.
#[derive(Debug, Clone, Args)]
pub struct SubsetArgs {
    /// So many of the images, chosen by `--seed`: those at the places
    /// sorted(numpy.random.RandomState(SEED).permutation(images)[:N])
    #[arg(long, value_name = "N")]
    pub num: Option<u64>,
    /// Which images `--num` chooses
    #[arg(long, value_name = "SEED", default_value_t = 0, requires = "num")]
    pub seed: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn detectors_go_with_weights_and_references() {
        let args = |names: &[&str], weights: &[&str]| {
            let owned = |list: &[&str]| list.iter().map(ToString::to_string).collect();
            DetectorArgs { names: owned(names), weights: owned(weights) }
        };
        let paired = |args: DetectorArgs, references: &[&str]| {
            let references: Vec<String> = references.iter().map(ToString::to_string).collect();
            args.paired(&references).map_err(|error| error.to_string())
        };
        let two = || args(&["inception", "dinov2"], &["a", "b"]);
        let found = paired(two(), &["r"]).unwrap();
        assert_eq!((&found[1].weights[..], found[1].reference.as_deref()), ("b", Some("r")));
        let found = paired(two(), &["r", "s"]).unwrap();
        assert_eq!((&found[1].name[..], found[1].reference.as_deref()), ("dinov2", Some("s")));
        assert_eq!(paired(two(), &[]).unwrap()[0].reference, None);
        for (args, references, words) in [
            (args(&["inception"], &[]), &["r"][..], "`1` of `--detector` and `0` of `--weights`"),
            (args(&[], &[]), &["r"], "`0` of `--detector`"),
            (args(&["a", "b", "c"], &["1", "2", "3"]), &["r", "s"], "`2` of `--ref` for `3` detectors"),
        ] {
            let error = paired(args, references).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }
}
