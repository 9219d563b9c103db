//! Whether the files of a run fit each other and the spec: told before a chunk of it is queued, not after 50,000 images.

use std::path::{Path, PathBuf};

use fidelis_contract::{
    detectors,
    spec::{DetectorSpec, Edm2Spec, Encoder, EngineSpec, FileRef, Labels, LocalSpec},
};
use fidelis_formats::{
    FileError,
    net::{self, Mismatch, NetConfig, check_pair},
};

use crate::evaluate::{self, EvaluateError};

/// Files that make no run together. None of these is worth a retry.
#[derive(Debug, thiserror::Error)]
pub enum FitError {
    /// A net that cannot be read, or is none.
    #[error("spec field `{field}`: {source}")]
    Net {
        /// `net` or `gnet`.
        field: &'static str,
        /// What is wrong with it.
        source: FileError,
    },
    /// Two nets that cannot guide each other.
    #[error(transparent)]
    Pair(#[from] Mismatch),
    /// A class that the net does not have.
    #[error("spec field `labels`: class `{class}` does not exist: the net has `{label_dim}`, from 0")]
    Class {
        /// The class.
        class: u32,
        /// How many there are.
        label_dim: i64,
    },
    /// Classes of an unconditional net.
    #[error("spec field `labels`: the net is unconditional, it has no classes to choose from: remove it")]
    Unconditional,
    /// Latents that nothing turns into pixels.
    #[error("spec field `encoder`: {0}")]
    Encoder(&'static str),
    /// Statistics that cannot be read, are none, or are of another detector.
    #[error("spec field `{field}`: {source}")]
    Statistics {
        /// Dotted.
        field: String,
        /// What is wrong with them.
        source: EvaluateError,
    },
    /// Statistics of another detector.
    #[error(
        "spec field `{field}`: `{}` is of `{found}` features where the detector `{detector}` has `{expected}`",
        path.display()
    )]
    Width {
        /// Dotted.
        field: String,
        /// The file.
        path: PathBuf,
        /// The detector's name.
        detector: String,
        /// D of the file.
        found: usize,
        /// D of the detector.
        expected: usize,
    },
}

fidelis_contract::usage_errors!(FitError);

/// Checks a run whose files are all local.
///
/// # Errors
/// See [`FitError`].
pub fn check(spec: &LocalSpec) -> Result<(), FitError> {
    if let EngineSpec::Edm2(model) = &spec.engine {
        let net = check_nets(model)?;
        if spec.outputs.images || !spec.detectors.is_empty() {
            check_encoder(model, &net)?;
        }
    }
    for (i, detector) in spec.detectors.iter().enumerate() {
        for (part, file) in [("reference", &detector.reference), ("held_out", &detector.held_out)] {
            if let Some(file) = file {
                check_statistics(detector, format!("detectors[{i}].{part}"), Path::new(&file.path))?;
            }
        }
    }
    Ok(())
}

/// The main net's config.
fn check_nets(model: &Edm2Spec) -> Result<NetConfig, FitError> {
    let config = |field: &'static str, file: &FileRef| {
        net::read_config(Path::new(&file.path)).map_err(|source| FitError::Net { field, source })
    };
    let net = config("net", &model.net)?;
    if let Some(gnet) = &model.gnet {
        check_pair(&net, &config("gnet", gnet)?)?;
    }
    match model.sampling.labels {
        Labels::Random => Ok(net),
        _ if net.label_dim == 0 => Err(FitError::Unconditional),
        Labels::Class(class) if i64::from(class) >= net.label_dim => {
            Err(FitError::Class { class, label_dim: net.label_dim })
        }
        _ => Ok(net),
    }
}

fn check_encoder(model: &Edm2Spec, net: &NetConfig) -> Result<(), FitError> {
    match model.sampling.encoder.or(net.encoder_or_pixels()) {
        None => Err(FitError::Encoder("the net's file does not say how its output becomes pixels: name one")),
        Some(Encoder::StabilityVae) if model.vae.is_none() => Err(FitError::Encoder(
            "the net acts on latents of Stability's autoencoder: set it to `stability-vae`, and `vae` to its weights",
        )),
        Some(Encoder::StabilityVae) if net.img_channels != 4 => {
            Err(FitError::Encoder("`stability-vae` goes with nets of 4 channels, which this one has not"))
        }
        Some(_) => Ok(()),
    }
}

fn check_statistics(detector: &DetectorSpec, field: String, path: &Path) -> Result<(), FitError> {
    let statistics = match evaluate::load(path, Some(&detector.name)) {
        Ok(statistics) => statistics,
        Err(source) => return Err(FitError::Statistics { field, source }),
    };
    if let (Some(expected), found) =
        (detectors::find(&detector.name).map(|known| known.num_features), statistics.dim())
        && expected != found
    {
        let (path, detector) = (path.to_owned(), detector.name.clone());
        return Err(FitError::Width { field, path, detector, found, expected });
    }
    let checked = evaluate::check(path, &statistics, Some(&detector.name));
    checked.map(drop).map_err(|source| FitError::Statistics { field, source })
}

#[cfg(test)]
mod tests {
    use fidelis_contract::{
        ids::Digest,
        spec::{ResolvedSpec, RunSpec},
    };

    use super::*;

    fn fixture(name: &str) -> String {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures").join(name).display().to_string()
    }

    /// A run of the fixtures' main net, with more lines.
    fn refusal(net: &str, more: &str) -> Option<String> {
        let text = format!(
            "name = \"x\"\nseeds = \"0-9\"\nnet = {:?}\noutputs = {{ latents = true }}\n{more}",
            fixture(net)
        );
        let mut spec = RunSpec::from_toml(&text, "test").unwrap();
        for (_, file) in spec.files_mut() {
            file.sha256 = Some(Digest::of(b"what it is does not matter here"));
        }
        let spec = ResolvedSpec::new(spec).unwrap().placed(|_, file| file.path.clone());
        check(&spec).err().map(|error| error.to_string())
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let (guide, null, uncond) =
            (fixture("edm2-guide.pkl"), fixture("edm2-null.pkl"), fixture("edm2-uncond.pkl"));
        let (stats, sample) = (fixture("ref-stats.pkl"), fixture("sample.json"));
        let detector = |name: &str, reference: &str| {
            format!(
                "encoder = \"rgb\"\n[[detectors]]\nname = \"{name}\"\nweights = \"w\"\nreference = \"{reference}\""
            )
        };
        let cases = [
            ("edm2-main.pkl", format!("gnet = \"{uncond}\""), "`image shape` is [4, 16, 16] and [3, 16, 16]"),
            ("edm2-null.pkl", format!("gnet = \"{guide}\""), "`label_dim` is 0 and 10"),
            ("edm2-main.pkl", "labels = \"class:10\"".into(), "class `10` does not exist"),
            ("edm2-null.pkl", "labels = \"balanced\"".into(), "is unconditional"),
            ("edm2-main.pkl", format!("gnet = \"{sample}\""), "spec field `gnet`: `"),
            ("edm2-main.pkl", detector("inception", &stats), "is of `64` features"),
            ("edm2-main.pkl", detector("inception", &sample), "spec field `detectors[0].reference`: `"),
            ("edm2-main.pkl", detector("dinov2", &stats), "has `1024`"),
            ("edm2-main.pkl", detector("dinov2", &stats).replace("encoder = \"rgb\"", ""), "encoder"),
        ];
        for (net, more, words) in cases {
            let error = refusal(net, &more).unwrap_or_default();
            assert!(error.contains(words) && !error.contains('\n'), "`{words}` is not in: {error}");
        }
        assert_eq!(refusal("edm2-main.pkl", &format!("gnet = \"{guide}\"\nlabels = \"class:9\"")), None);
        assert_eq!(refusal("edm2-null.pkl", &format!("gnet = \"{null}\"")), None);
    }
}
