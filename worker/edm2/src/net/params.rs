//! Where a net's parameters come from: a state dict that was read, or a seeded initialisation for training.

use std::collections::{BTreeMap, BTreeSet};

use fidelis_formats::net::{ConfigError, NetConfig};
use tch::{Device, Kind, Tensor};

use super::precond::Precond;

/// Parameters and buffers by their state-dict names.
pub type StateDict = BTreeMap<String, Tensor>;

/// Why a net could not be built.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(
        "the net has no tensor `{0}`: is this file complete, and is its config the one it was saved with?"
    )]
    Missing(String),
    #[error("the tensor `{name}` has shape {found:?}, the config asks for {expected:?}")]
    Shape { name: String, found: Vec<i64>, expected: Vec<i64> },
    #[error("the tensor `{0}` belongs to no part of the net that the config describes")]
    Unknown(String),
    #[error("libtorch cannot make a tensor of shape {0:?}")]
    Torch(Vec<i64>),
    #[error(
        "the tensor `{0}` holds a value that is not finite: the file is damaged or the training diverged"
    )]
    NotFinite(String),
}

/// How a tensor starts when the net is to be trained.
#[derive(Clone, Copy, Debug)]
pub(super) enum Init {
    /// Standard normal weights.
    Randn,
    /// A gain that grows from nothing.
    Zero,
    /// Random Fourier frequencies, `2π·randn`: a buffer.
    Frequencies,
    /// Random Fourier phases, `2π·rand`: a buffer.
    Phases,
}

impl Init {
    fn draw(self, shape: &[i64], device: Device) -> Tensor {
        const TAU: f64 = std::f64::consts::TAU;
        let options = (Kind::Float, Device::Cpu);
        match self {
            Self::Randn => Tensor::randn(shape, options),
            Self::Zero => Tensor::zeros(shape, options),
            Self::Frequencies => Tensor::randn(shape, options) * TAU,
            Self::Phases => Tensor::rand(shape, options) * TAU,
        }
        .to_device(device)
    }

    fn keeps_kind(self) -> bool {
        matches!(self, Self::Zero)
    }

    fn is_trained(self) -> bool {
        matches!(self, Self::Randn | Self::Zero)
    }
}

enum Source<'a> {
    Stored(&'a StateDict),
    Fresh,
    /// Tensors without content, to learn what a net asks for.
    Blank,
}

/// Hands out a net's tensors by name and keeps the account of them.
pub struct Params<'a> {
    source: Source<'a>,
    device: Device,
    trained: StateDict,
    all: StateDict,
}

impl std::fmt::Debug for Params<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Params").field("tensors", &self.all.len()).finish_non_exhaustive()
    }
}

impl<'a> Params<'a> {
    /// Tensors of a state dict, in float32 on `device`; but gains in the type in which they are stored, which rounds
    /// what is computed of them.
    pub fn stored(state: &'a StateDict, device: Device) -> Self {
        Self { source: Source::Stored(state), device, trained: StateDict::new(), all: StateDict::new() }
    }

    /// Fresh tensors, drawn from torch's current CPU generator in the order in which the net asks for them.
    pub fn fresh(device: Device) -> Self {
        Self { source: Source::Fresh, device, trained: StateDict::new(), all: StateDict::new() }
    }

    fn blank() -> Self {
        let (trained, all) = (StateDict::new(), StateDict::new());
        Self { source: Source::Blank, device: Device::Cpu, trained, all }
    }

    /// Where they are.
    pub(super) fn device(&self) -> Device {
        self.device
    }

    /// The tensors that training changes, by name.
    pub fn trained(&self) -> &StateDict {
        &self.trained
    }

    /// All tensors handed out, by name: what a checkpoint holds.
    pub fn all(&self) -> &StateDict {
        &self.all
    }

    pub(super) fn tensor(&mut self, name: &str, shape: &[i64], init: Init) -> Result<Tensor, NetError> {
        let tensor = match self.source {
            Source::Stored(state) => {
                let tensor = stored(state, name, shape)?;
                let kind = if init.keeps_kind() { floating(tensor.kind()) } else { Kind::Float };
                tensor.to_device(self.device).to_kind(kind)
            }
            Source::Fresh => init.draw(shape, self.device).set_requires_grad(init.is_trained()),
            Source::Blank => blank(shape)?,
        };
        if init.is_trained() {
            self.trained.insert(name.to_owned(), tensor.shallow_clone());
        }
        self.all.insert(name.to_owned(), tensor.shallow_clone());
        Ok(tensor)
    }

    /// Refuses a state dict that holds more than the net asked for: its config would describe another net.
    pub(super) fn finish(&self) -> Result<(), NetError> {
        let Source::Stored(state) = self.source else { return Ok(()) };
        let known: BTreeSet<&String> = self.all.keys().collect();
        match state.keys().find(|name| !known.contains(name)) {
            Some(name) => Err(NetError::Unknown(name.clone())),
            None => Ok(()),
        }
    }
}

/// How many parameters the net of a config has: all that training changes, the weight of the uncertainty and the gains
/// among it, without the buffers (frequencies and phases of the Fourier features). Allocates no weights.
///
/// # Errors
/// A config that describes no net.
pub fn num_params(config: &NetConfig) -> Result<u64, NetError> {
    let mut params = Params::blank();
    Precond::new(&mut params, config, Device::Cpu)?;
    Ok(params.trained.values().map(|tensor| tensor.numel() as u64).sum())
}

/// A tensor of any shape in the memory of one element.
fn blank(shape: &[i64]) -> Result<Tensor, NetError> {
    let one = Tensor::zeros([1; 0], (Kind::Float, Device::Cpu));
    one.f_expand(shape, false).map_err(|_| NetError::Torch(shape.to_vec()))
}

fn floating(kind: Kind) -> Kind {
    if matches!(kind, Kind::Half | Kind::BFloat16 | Kind::Double) { kind } else { Kind::Float }
}

fn stored<'a>(state: &'a StateDict, name: &str, shape: &[i64]) -> Result<&'a Tensor, NetError> {
    let tensor = state.get(name).ok_or_else(|| NetError::Missing(name.to_owned()))?;
    if tensor.size() != shape {
        return Err(NetError::Shape {
            name: name.to_owned(),
            found: tensor.size(),
            expected: shape.to_vec(),
        });
    }
    if !bool::try_from(tensor.isfinite().all()).unwrap_or(false) {
        return Err(NetError::NotFinite(name.to_owned()));
    }
    Ok(tensor)
}
