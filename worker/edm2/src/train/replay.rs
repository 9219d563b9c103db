//! Recorded training steps, taken again with their own draws: how two trainers are compared.
//!
//! A recording is a safetensors file: `init/…` (state dict), for each step k `step{k}/images`, `step{k}/labels`,
//! `step{k}/rnd_normal` and `step{k}/noise`; the metadata keys `run` (JSON, [`Run`]) and `config` (JSON, the net's).

use std::path::{Path, PathBuf};

use fidelis_formats::net::CONFIG_KEY;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tch::{Device, Kind, Tensor};

use super::adam::prefixed;
use super::learner::{Learner, Moment};
use super::loss::{Batch, NoiseLevels, StepDraws};
use super::schedule::LrSchedule;
use crate::checkpoint::{TensorFile, TensorFileError};
use crate::net::{NetConfig, NetError, StateDict};

const RUN_KEY: &str = "run";
const INIT: &str = "init/";
/// Whose gradient a recording may poison.
const POISONED: &str = "unet.out_conv.weight";

/// Why recorded steps cannot be taken again.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error(transparent)]
    File(#[from] TensorFileError),
    #[error("cannot use the recording `{path}`: {source}")]
    Net { path: PathBuf, source: NetError },
    #[error("`{path}` is no recording of training: its metadata has no usable `{key}` ({problem})")]
    Metadata { path: PathBuf, key: &'static str, problem: String },
    #[error("the recording `{path}` cannot be taken again: {problem}")]
    Recording { path: PathBuf, problem: String },
}

/// The options of a recorded run.
#[derive(Clone, Debug, Deserialize)]
pub struct Run {
    /// Images in a step, taken in `rounds` equal parts.
    batch: u64,
    #[serde(default = "one")]
    rounds: u64,
    alpha_ref: f64,
    /// In steps.
    t_ref: f64,
    rampup_images: f64,
    /// Images seen before the first step.
    #[serde(default)]
    start: u64,
    #[serde(rename = "P_mean")]
    p_mean: f64,
    #[serde(rename = "P_std")]
    p_std: f64,
    ema: Vec<f64>,
    /// The step in which two values of a gradient are NaN and infinite.
    #[serde(default)]
    poison: Option<u64>,
}

fn one() -> u64 {
    1
}

/// Takes the steps of `path` again: `final/…`, `ema-{σ_rel}/…`, `grad0/…` (gradients of the first step), `losses` (mean
/// per element) and `lrs`, under the recording's metadata.
///
/// # Errors
/// A file that is damaged, lacks a part, or whose parts do not fit each other.
pub fn replay(path: &Path, device: Device) -> Result<TensorFile, ReplayError> {
    let mut file = TensorFile::read(path)?;
    let run: Run = metadata(&file, path, RUN_KEY)?;
    let config: NetConfig = metadata(&file, path, CONFIG_KEY)?;
    check(&run, &config).map_err(|problem| ReplayError::Recording { path: path.to_owned(), problem })?;
    let init = under(&mut file.tensors, INIT);
    let mut learner = Learner::starting_from(&init, &config, device, &run.ema)
        .map_err(|source| ReplayError::Net { path: path.to_owned(), source })?;
    let schedule =
        LrSchedule { alpha_ref: run.alpha_ref, t_ref: run.t_ref, rampup_images: run.rampup_images };
    let levels = NoiseLevels { p_mean: run.p_mean, p_std: run.p_std };
    let (mut losses, mut lrs, mut tensors) = (Vec::new(), Vec::new(), StateDict::new());
    while file.tensors.contains_key(&format!("step{}/images", losses.len())) {
        let step = losses.len() as u64;
        let (batch, draws) = recorded(&mut file, path, step, (&run, &config, device))?;
        losses.push(learner.accumulate(levels, (&batch, &draws), (run.batch / run.rounds) as i64).mean);
        if step == 0 {
            tensors.extend(prefixed("grad0", &learner.gradients()));
        }
        if run.poison == Some(step) {
            poison(&learner);
        }
        let seen = run.start + step * run.batch;
        lrs.push(schedule.at(seen, run.batch));
        learner.update(Moment { lr: lrs[lrs.len() - 1], seen: seen + run.batch, batch: run.batch });
    }
    if losses.is_empty() {
        let problem = "it has no `step0/images`".to_owned();
        return Err(ReplayError::Recording { path: path.to_owned(), problem });
    }
    tensors.extend(prefixed("final", &learner.all));
    for ema in &learner.emas {
        tensors.extend(prefixed(&format!("ema-{:.3}", ema.sigma_rel), &ema.average));
    }
    tensors.insert("losses".to_owned(), Tensor::from_slice(&losses));
    tensors.insert("lrs".to_owned(), Tensor::from_slice(&lrs));
    Ok(TensorFile { metadata: file.metadata, tensors })
}

fn metadata<T: DeserializeOwned>(
    file: &TensorFile,
    path: &Path,
    key: &'static str,
) -> Result<T, ReplayError> {
    let wrong = |problem: String| ReplayError::Metadata { path: path.to_owned(), key, problem };
    let json = file.metadata.get(key).ok_or_else(|| wrong("it is missing".to_owned()))?;
    serde_json::from_str(json).map_err(|error| wrong(error.to_string()))
}

fn check(run: &Run, config: &NetConfig) -> Result<(), String> {
    if run.batch == 0 || run.rounds == 0 || !run.batch.is_multiple_of(run.rounds) {
        return Err(format!("a batch of `{}` images cannot be taken in `{}` rounds", run.batch, run.rounds));
    }
    if config.dropout > 0.0 {
        return Err(format!("the net's `dropout` is `{}`, and no masks are recorded", config.dropout));
    }
    match run.ema.iter().find(|&&sigma_rel| !(sigma_rel > 0.0 && sigma_rel < super::MAX_SIGMA_REL)) {
        Some(sigma_rel) => Err(format!("`ema` holds `{sigma_rel}`, which is no relative width below 0.288")),
        None => Ok(()),
    }
}

/// The tensors below `prefix`, which leave the file.
pub(crate) fn under(tensors: &mut StateDict, prefix: &str) -> StateDict {
    let names: Vec<String> = tensors.keys().filter(|name| name.starts_with(prefix)).cloned().collect();
    let taken = |name: String| Some((name[prefix.len()..].to_owned(), tensors.remove(&name)?));
    names.into_iter().filter_map(taken).collect()
}

fn recorded(
    file: &mut TensorFile,
    path: &Path,
    step: u64,
    (run, config, device): (&Run, &NetConfig, Device),
) -> Result<(Batch, StepDraws), ReplayError> {
    let [c, h, w] = config.image_shape();
    let batch = run.batch as i64;
    let mut take = |name: &str, shape: &[i64], kind: Kind| {
        let name = format!("step{step}/{name}");
        let tensor = file.take(path, &name)?;
        if tensor.numel() as i64 != shape.iter().product::<i64>() {
            let problem = format!("`{name}` has shape {:?}, expected {shape:?}", tensor.size());
            return Err(ReplayError::Recording { path: path.to_owned(), problem });
        }
        Ok(tensor.reshape(shape).to_kind(kind).to_device(device))
    };
    let images = take("images", &[batch, c, h, w], Kind::Float)?;
    let noise = take("noise", &[batch, c, h, w], Kind::Float)?;
    let rnd_normal = take("rnd_normal", &[batch], Kind::Float)?;
    let labels = match config.label_dim {
        0 => None,
        label_dim => {
            let labels = take("labels", &[batch], Kind::Int64)?;
            let (low, high) = (labels.min().int64_value(&[]), labels.max().int64_value(&[]));
            if low < 0 || high >= label_dim {
                let problem =
                    format!("`step{step}/labels` holds classes `{low}` to `{high}` of `{label_dim}`");
                return Err(ReplayError::Recording { path: path.to_owned(), problem });
            }
            Some(labels)
        }
    };
    Ok((Batch { images, labels }, StepDraws { rnd_normal, noise }))
}

/// As float16 may overflow: NaN at `[0,0,0,0]`, infinite at `[0,0,0,1]`.
fn poison(learner: &Learner) {
    let _guard = tch::no_grad_guard();
    let mut first = learner.trained[POISONED].grad().flatten(0, -1).narrow(0, 0, 2);
    first.copy_(&Tensor::from_slice(&[f32::NAN, f32::INFINITY]));
}

fidelis_contract::usage_errors!(ReplayError);
