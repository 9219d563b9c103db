//! Recorded iterations of the 2D example's training, taken again at their own points.
//!
//! A recording is a safetensors file: `init/…`, for each step k `step{k}/x` `[N, 2]` and `step{k}/sigma` `[N]`; the
//! metadata key `run` holds the options as JSON ([`Run`]).

use std::path::{Path, PathBuf};

use serde::Deserialize;
use tch::{Kind, Tensor};

use super::model::{Model, ModelError};
use super::trainer::{ToyRecipe, ToyTrainer};
use super::tree::Classes;
use crate::checkpoint::{TensorFile, TensorFileError};
use crate::net::StateDict;
use crate::train::{MAX_SIGMA_REL, prefixed, under};

const RUN_KEY: &str = "run";

/// Why recorded iterations cannot be taken again.
#[derive(Debug, thiserror::Error)]
pub enum ToyReplayError {
    #[error(transparent)]
    File(#[from] TensorFileError),
    #[error("cannot use the recording `{path}`: {source}")]
    Model { path: PathBuf, source: ModelError },
    #[error("`{path}` is no recording of the 2D example's training: {problem}")]
    Recording { path: PathBuf, problem: String },
}

/// The options of a recorded run.
#[derive(Clone, Debug, Deserialize)]
pub struct Run {
    /// `A`, or `AB` for both.
    classes: String,
    /// Iterations before the first.
    #[serde(default)]
    start: u64,
    lr_ref: f64,
    t_ref: f64,
    ema: f64,
}

/// Takes the iterations of `path` again: `final/…`, `ema/…`, `losses`, `lrs`, and per step `step{k}/net_score`, under the
/// recording's metadata.
///
/// # Errors
/// A file that is damaged, lacks a part, or whose parts do not fit each other.
pub fn replay(path: &Path) -> Result<TensorFile, ToyReplayError> {
    let mut file = TensorFile::read(path)?;
    let wrong = |problem: String| ToyReplayError::Recording { path: path.to_owned(), problem };
    let recipe = recipe(&file).map_err(wrong)?;
    let (recipe, start) = recipe;
    let model = Model::load(&under(&mut file.tensors, "init/"))
        .map_err(|source| ToyReplayError::Model { path: path.to_owned(), source })?;
    let mut trainer = ToyTrainer::starting_from(recipe, model, start);
    let (mut losses, mut lrs, mut tensors) = (Vec::new(), Vec::new(), StateDict::new());
    while let Some(x) = file.tensors.remove(&format!("step{}/x", losses.len())) {
        let step = format!("step{}", losses.len());
        let sigma = file.take(path, &format!("{step}/sigma"))?;
        let points = sigma.numel() as i64;
        if points == 0 || x.size() != [points, 2] {
            return Err(wrong(format!("`{step}/x` has shape {:?}, expected [{points}, 2]", x.size())));
        }
        let done = trainer.step(&x.to_kind(Kind::Float), &sigma.reshape([points]).to_kind(Kind::Float));
        losses.push(done.loss);
        lrs.push(done.lr);
        tensors.insert(format!("{step}/net_score"), done.score);
    }
    if losses.is_empty() {
        return Err(wrong("it has no `step0/x`".to_owned()));
    }
    tensors.extend(prefixed("final", trainer.weights()));
    tensors.extend(prefixed("ema", trainer.average()));
    tensors.insert("losses".to_owned(), Tensor::from_slice(&losses));
    tensors.insert("lrs".to_owned(), Tensor::from_slice(&lrs));
    Ok(TensorFile { metadata: file.metadata, tensors })
}

/// With the iterations before the first.
fn recipe(file: &TensorFile) -> Result<(ToyRecipe, u64), String> {
    let json = file.metadata.get(RUN_KEY).ok_or_else(|| format!("its metadata has no `{RUN_KEY}`"))?;
    let run: Run = serde_json::from_str(json).map_err(|error| format!("its `{RUN_KEY}`: {error}"))?;
    let classes = match run.classes.as_str() {
        "A" => Classes::A,
        "AB" => Classes::Both,
        other => return Err(format!("its `classes` are `{other}`, expected A or AB")),
    };
    if !(run.ema > 0.0 && run.ema < MAX_SIGMA_REL) {
        return Err(format!("its `ema` is `{}`, which is no relative width below 0.288", run.ema));
    }
    let recipe = ToyRecipe { classes, lr_ref: run.lr_ref, t_ref: run.t_ref, ema: run.ema, ..ToyRecipe::MAIN };
    Ok((recipe, run.start))
}

fidelis_contract::usage_errors!(ToyReplayError);
