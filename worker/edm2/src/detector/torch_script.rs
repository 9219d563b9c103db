//! A detector of the user's own, as a TorchScript file.
//!
//! The one exception to the rule that nothing runs from a file: torch's interpreter runs the file's code. It is
//! therefore asked for by a name that no built-in detector has, never found by looking into a file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tch::{CModule, Device, Kind, TchError, Tensor, jit};

use super::DetectorError;
use crate::device::{is_lost, is_out_of_memory};

/// The script on one device. Clones share it.
#[derive(Clone, Debug)]
pub struct TorchScript {
    path: PathBuf,
    device: Device,
    module: Arc<CModule>,
}

impl TorchScript {
    /// Loads the file in evaluation mode.
    pub fn load(path: &Path, device: Device) -> Result<Self, DetectorError> {
        let failed = |error: TchError| DetectorError::ScriptFile {
            path: path.to_owned(),
            problem: first_sentence(&error),
        };
        let mut module = CModule::load_on_device(path, device).map_err(failed)?;
        module.f_set_eval().map_err(failed)?;
        Ok(Self { path: path.to_owned(), device, module: Arc::new(module) })
    }

    pub fn device(&self) -> Device {
        self.device
    }

    /// Calls `forward(images)` with uint8 `[N, C, H, W]`; what comes must be `[N, D]` or `[N, D, 1, 1]`.
    pub fn features(&self, images: &Tensor) -> Result<Tensor, DetectorError> {
        // The optimizer watches the first calls and rewrites the later ones, which may change their bits. The switch
        // is of this thread alone.
        let call = jit::f_set_graph_executor_optimize(false)
            .and_then(|()| self.module.forward_ts(&[images.to_device(self.device)]));
        let found = call.map_err(|error| self.failed(&error))?;
        let n = images.size()[0];
        match found.size()[..] {
            [rows, d] | [rows, d, 1, 1] if rows == n && d > 0 && found.is_floating_point() => {
                Ok(found.reshape([n, d]).to_kind(Kind::Float))
            }
            _ => {
                let shape = found.size();
                Err(script(&self.path, &format!("it made {:?} {shape:?} of {n} images", found.kind())))
            }
        }
    }

    fn failed(&self, error: &TchError) -> DetectorError {
        let problem = last_line(error);
        if is_out_of_memory(&text(error)) {
            return DetectorError::ScriptMemory { path: self.path.clone(), problem };
        }
        // A script that reads beyond its tables takes the whole context down with it.
        if is_lost(&text(error)) {
            return DetectorError::ScriptDevice { path: self.path.clone(), problem };
        }
        script(&self.path, &format!("its `forward(images)` failed ({problem})"))
    }
}

fn script(path: &Path, problem: &str) -> DetectorError {
    DetectorError::Script { path: path.to_owned(), problem: problem.to_owned() }
}

fn text(error: &TchError) -> String {
    match error {
        TchError::Torch(text) => text.clone(),
        other => other.to_string(),
    }
}

/// What torch adds to its first sentence is advice for its own developers.
fn first_sentence(error: &TchError) -> String {
    let text = text(error);
    let line = text.lines().next().unwrap_or_default();
    line.split_once(". ").map_or(line, |(sentence, _)| sentence).to_owned()
}

/// The interpreter ends its account with the error proper.
fn last_line(error: &TchError) -> String {
    text(error).lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().trim().to_owned()
}
