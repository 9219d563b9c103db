//! A net's tensors by name: of a state dict that was read, or fresh for training; checked against what the net takes, and
//! shared between lanes.

use std::{
    collections::BTreeMap,
    fmt::{self, Display},
    ops::Deref,
};

use tch::{Device, Kind, Tensor};

/// Parameters and buffers by their state-dict names.
pub type StateDict = BTreeMap<String, Tensor>;

/// Why a state dict does not fit a net. Begins in the middle of a sentence that names the file.
#[derive(Debug, thiserror::Error)]
pub enum ParamsError {
    #[error("there is no tensor `{0}`: is the file complete, and of this net?")]
    Missing(String),
    #[error("the tensor `{name}` has shape {found:?}, expected {expected:?}")]
    Shape { name: String, found: Vec<i64>, expected: Vec<i64> },
    #[error("the tensor `{0}` is no part of this net")]
    Unknown(String),
    #[error("libtorch cannot make a tensor of shape {0:?}")]
    Torch(Vec<i64>),
    #[error(
        "the tensor `{0}` holds a value that is not finite: the file is damaged or the training diverged"
    )]
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

/// How a tensor starts when the net is to be trained.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Init {
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

    fn is_trained(self) -> bool {
        matches!(self, Self::Randn | Self::Zero)
    }
}

enum Source<'a> {
    Stored(&'a StateDict),
    /// Of which each tensor is let go as it is handed out, so that a net is not in memory twice.
    Taken(StateDict),
    Fresh,
    /// Tensors without content, to learn what a net asks for.
    Blank,
}

/// Hands out a net's tensors by name and keeps the account of them.
pub struct Params<'a> {
    source: Source<'a>,
    device: Device,
    kind: Kind,
    trained: StateDict,
    all: StateDict,
}

impl fmt::Debug for Params<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Params").field("tensors", &self.all.len()).finish_non_exhaustive()
    }
}

impl<'a> Params<'a> {
    fn new(source: Source<'a>, device: Device) -> Self {
        Self { source, device, kind: Kind::Float, trained: StateDict::new(), all: StateDict::new() }
    }

    /// Tensors of a state dict, in float32 on `device`; but gains in the type in which they are stored, which rounds
    /// what is computed of them.
    pub fn stored(state: &'a StateDict, device: Device) -> Self {
        Self::new(Source::Stored(state), device)
    }

    /// The same of a state dict that nobody needs afterwards.
    pub fn taken(state: StateDict, device: Device) -> Self {
        Self::new(Source::Taken(state), device)
    }

    /// Fresh tensors, drawn from torch's current CPU generator in the order in which the net asks for them.
    pub fn fresh(device: Device) -> Self {
        Self::new(Source::Fresh, device)
    }

    pub(crate) fn blank() -> Self {
        Self::new(Source::Blank, Device::Cpu)
    }

    /// The same in another type than float32.
    pub(crate) fn in_kind(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }

    /// The tensors that training changes, by name.
    pub fn trained(&self) -> &StateDict {
        &self.trained
    }

    /// All tensors handed out, by name: what a checkpoint holds.
    pub fn all(&self) -> &StateDict {
        &self.all
    }

    /// Names and shapes of all tensors handed out.
    pub(crate) fn layout(&self) -> Vec<(String, Vec<i64>)> {
        self.all.iter().map(|(name, tensor)| (name.clone(), tensor.size())).collect()
    }

    /// The whole net.
    pub(crate) fn root(&mut self) -> Scope<'_, 'a> {
        Scope { params: self, prefix: String::new() }
    }

    /// Refuses a state dict that holds more than the net asked for: its config would describe another net.
    pub(crate) fn finish(&self) -> Result<(), ParamsError> {
        let state = match &self.source {
            Source::Stored(state) => *state,
            Source::Taken(state) => state,
            Source::Fresh | Source::Blank => return Ok(()),
        };
        match state.keys().find(|name| !self.all.contains_key(*name)) {
            Some(name) => Err(ParamsError::Unknown(name.clone())),
            None => Ok(()),
        }
    }

    fn tensor(&mut self, name: String, shape: &[i64], init: Init) -> Result<Tensor, ParamsError> {
        let placed = |tensor: &Tensor| {
            let kind = if matches!(init, Init::Zero) { floating(tensor.kind()) } else { self.kind };
            tensor.to_device(self.device).to_kind(kind)
        };
        let tensor = match &mut self.source {
            Source::Stored(state) => placed(stored(state, &name, shape)?),
            Source::Taken(state) => {
                let tensor = placed(stored(state, &name, shape)?);
                state.remove(&name);
                tensor
            }
            Source::Fresh => init.draw(shape, self.device).set_requires_grad(init.is_trained()),
            Source::Blank => blank(shape)?,
        };
        if init.is_trained() {
            self.trained.insert(name.clone(), tensor.shallow_clone());
        }
        self.all.insert(name, tensor.shallow_clone());
        Ok(tensor)
    }
}

/// A part of a net: its names begin alike.
pub(crate) struct Scope<'s, 'a> {
    params: &'s mut Params<'a>,
    prefix: String,
}

impl<'a> Scope<'_, 'a> {
    /// A part of this part.
    pub fn pp(&mut self, part: impl Display) -> Scope<'_, 'a> {
        Scope { prefix: self.name(part), params: self.params }
    }

    fn name(&self, part: impl Display) -> String {
        if self.prefix.is_empty() { part.to_string() } else { format!("{}.{part}", self.prefix) }
    }

    /// Where the tensors are.
    pub fn device(&self) -> Device {
        self.params.device
    }

    /// The tensor of a name below this one's.
    pub fn tensor(&mut self, name: &str, shape: &[i64]) -> Result<Tensor, ParamsError> {
        self.starting(name, shape, Init::Randn)
    }

    /// The same, of a net that may be fresh.
    pub fn starting(&mut self, name: &str, shape: &[i64], init: Init) -> Result<Tensor, ParamsError> {
        let name = self.name(name);
        self.params.tensor(name, shape, init)
    }
}

/// A tensor of any shape in the memory of one element.
fn blank(shape: &[i64]) -> Result<Tensor, ParamsError> {
    let one = Tensor::zeros([1; 0], (Kind::Float, Device::Cpu));
    one.f_expand(shape, false).map_err(|_| ParamsError::Torch(shape.to_vec()))
}

fn floating(kind: Kind) -> Kind {
    if matches!(kind, Kind::Half | Kind::BFloat16 | Kind::Double) { kind } else { Kind::Float }
}

fn stored<'a>(state: &'a StateDict, name: &str, shape: &[i64]) -> Result<&'a Tensor, ParamsError> {
    let tensor = state.get(name).ok_or_else(|| ParamsError::Missing(name.to_owned()))?;
    if tensor.size() != shape {
        let (found, expected) = (tensor.size(), shape.to_vec());
        return Err(ParamsError::Shape { name: name.to_owned(), found, expected });
    }
    if !bool::try_from(tensor.isfinite().all()).unwrap_or(false) {
        return Err(ParamsError::NotFinite(name.to_owned()));
    }
    Ok(tensor)
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let state: StateDict = [("a.b".to_owned(), Tensor::from_slice(&[1.5_f32, 2.5]))].into();
        let stored = || Params::stored(&state, Device::Cpu).in_kind(Kind::Double);
        let mut params = stored();
        let b = params.root().pp("a").tensor("b", &[2]).unwrap();
        assert_eq!((b.kind(), b.double_value(&[1])), (Kind::Double, 2.5));
        params.finish().unwrap();
        let wrong = params.root().tensor("b", &[2]);
        assert!(matches!(wrong, Err(ParamsError::Missing(name)) if name == "b"));
        assert!(matches!(params.root().tensor("a.b", &[1, 2]), Err(ParamsError::Shape { .. })));
        assert!(matches!(stored().finish(), Err(ParamsError::Unknown(name)) if name == "a.b"));
        let mut taken = Params::taken(state, Device::Cpu);
        assert!(matches!(taken.finish(), Err(ParamsError::Unknown(name)) if name == "a.b"));
        assert_eq!(taken.root().tensor("a.b", &[2]).unwrap().size(), [2]);
        taken.finish().unwrap();
        assert!(matches!(&taken.source, Source::Taken(left) if left.is_empty()));
        let mut blank = Params::blank();
        assert_eq!(blank.root().pp("c").tensor("d", &[3, 2]).unwrap().size(), [3, 2]);
        assert_eq!(blank.layout(), [("c.d".to_owned(), vec![3, 2])]);
    }
}
