//! Weights by name, checked against what a net takes, and shared between lanes.

use std::ops::Deref;

use tch::{Device, Kind, Tensor};

use crate::net::StateDict;

/// Why a state dict does not fit a net. Begins in the middle of a sentence that names the file.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    #[error("there is no tensor `{0}`")]
    Missing(String),
    #[error("the tensor `{name}` has shape {found:?}, expected {expected:?}")]
    Shape { name: String, found: Vec<i64>, expected: Vec<i64> },
    #[error("the tensor `{0}` is no part of this net")]
    Unknown(String),
    #[error("the tensor `{0}` holds a value that is not finite")]
    NotFinite(String),
}

/// A tensor of weights. Cloning copies no weights: it makes another handle on the same storage, since a handle may
/// move to another thread but not be used by two at once.
#[derive(Debug)]
pub struct Shared(Tensor);

impl Clone for Shared {
    fn clone(&self) -> Self {
        Self(self.0.shallow_clone())
    }
}

impl From<Tensor> for Shared {
    fn from(tensor: Tensor) -> Self {
        Self(tensor)
    }
}

impl Deref for Shared {
    type Target = Tensor;

    fn deref(&self) -> &Tensor {
        &self.0
    }
}

/// Hands out a net's tensors by name and keeps the account of them.
#[derive(Debug)]
pub(crate) struct Weights {
    source: Source,
    device: Device,
    kind: Kind,
    layout: Vec<(String, Vec<i64>)>,
}

#[derive(Debug)]
enum Source {
    Stored(StateDict),
    /// Tensors without content, to learn what a net asks for.
    Blank,
}

impl Weights {
    /// Tensors of `state`, in `kind` on `device`.
    pub fn stored(state: StateDict, device: Device, kind: Kind) -> Self {
        Self { source: Source::Stored(state), device, kind, layout: Vec::new() }
    }

    /// Tensors without content.
    pub fn blank() -> Self {
        Self { source: Source::Blank, device: Device::Cpu, kind: Kind::Float, layout: Vec::new() }
    }

    /// The tensor `name`, which leaves the state dict.
    pub fn tensor(&mut self, name: &str, shape: &[i64]) -> Result<Tensor, WeightsError> {
        self.layout.push((name.to_owned(), shape.to_vec()));
        let state = match &mut self.source {
            Source::Stored(state) => state,
            Source::Blank => return Ok(Tensor::zeros([], (self.kind, self.device)).expand(shape, false)),
        };
        let tensor = state.remove(name).ok_or_else(|| WeightsError::Missing(name.to_owned()))?;
        if tensor.size() != shape {
            let (found, expected) = (tensor.size(), shape.to_vec());
            return Err(WeightsError::Shape { name: name.to_owned(), found, expected });
        }
        if !bool::try_from(tensor.isfinite().all()).unwrap_or(false) {
            return Err(WeightsError::NotFinite(name.to_owned()));
        }
        Ok(tensor.to_device(self.device).to_kind(self.kind))
    }

    /// Refuses a state dict that holds more than the net asked for; else gives the names and shapes of what it did.
    pub fn finish(self) -> Result<Vec<(String, Vec<i64>)>, WeightsError> {
        match self.source {
            Source::Stored(state) => match state.into_keys().next() {
                Some(name) => Err(WeightsError::Unknown(name)),
                None => Ok(self.layout),
            },
            Source::Blank => Ok(self.layout),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> StateDict {
        [("a".to_owned(), Tensor::from_slice(&[1.5_f32, 2.5]))].into()
    }

    #[test]
    fn clones_share_their_storage() {
        let one = Shared::from(Tensor::ones([4], tch::kind::FLOAT_CPU));
        let two = std::thread::spawn({
            let two = one.clone();
            move || two.data_ptr() as usize
        });
        assert_eq!(two.join().unwrap(), one.data_ptr() as usize);
    }

    #[test]
    fn tensors_are_checked_and_counted() {
        let stored = || Weights::stored(state(), Device::Cpu, Kind::Double);
        let mut weights = stored();
        let a = weights.tensor("a", &[2]).unwrap();
        assert_eq!((a.kind(), a.double_value(&[1])), (Kind::Double, 2.5));
        assert!(matches!(weights.tensor("a", &[2]), Err(WeightsError::Missing(_))), "each is taken once");
        let mut weights = stored();
        assert!(matches!(weights.tensor("a", &[1, 2]), Err(WeightsError::Shape { .. })));
        assert!(matches!(stored().finish(), Err(WeightsError::Unknown(name)) if name == "a"));
        let mut blank = Weights::blank();
        assert_eq!(blank.tensor("b", &[3, 2]).unwrap().size(), [3, 2]);
        assert_eq!(blank.finish().unwrap(), [("b".to_owned(), vec![3, 2])]);
    }
}
