//! The nets of the 2D example: a log-density whose gradient is the score (autoguidance, appendix C).

use tch::{Device, Kind, Tensor};

use super::derivative::{Gradients, Pass};
use crate::net::{StateDict, mp_silu, normalized};

/// Standard deviation of the data.
pub(super) const SIGMA_DATA: f64 = 0.5;
/// Coordinates, noise level, and a constant one.
const INPUTS: i64 = 4;
const GAIN: &str = "gain";

/// A multi-layer perceptron of magnitude-preserving layers.
#[derive(Debug)]
pub struct Model {
    layers: Vec<Tensor>,
    gain: Tensor,
}

/// A state dict that is none of a 2D net.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    #[error("it holds no net of the 2D example: there is no tensor `{0}`")]
    Missing(String),
    #[error("its tensor `{name}` has shape {found:?}, expected {expected}")]
    Shape { name: String, found: Vec<i64>, expected: String },
}

fn weight(index: usize) -> String {
    // As in a sequence whose odd members are the activations.
    format!("layers.{}.weight", 2 * index)
}

impl Model {
    /// Fresh weights from torch's current CPU generator: a layer to `dim` channels and `layers` more, and a gain that
    /// starts at zero.
    pub fn fresh(dim: i64, layers: usize) -> Self {
        let options = (Kind::Float, Device::Cpu);
        let widths = std::iter::once(INPUTS).chain(std::iter::repeat_n(dim, layers));
        let layers =
            widths.map(|input| Tensor::randn([dim, input], options).set_requires_grad(true)).collect();
        Self { layers, gain: Tensor::zeros([1; 0], options).set_requires_grad(true) }
    }

    /// A copy of the weights `layers.0.weight`, `layers.2.weight`, … and `gain`, to be trained or not.
    ///
    /// # Errors
    /// One is missing, or they do not fit each other.
    pub fn load(state: &StateDict) -> Result<Self, ModelError> {
        let missing = |name: String| ModelError::Missing(name);
        let mut layers: Vec<Tensor> = Vec::new();
        while let Some(tensor) = state.get(&weight(layers.len())) {
            let dim =
                layers.first().map_or_else(|| tensor.size().first().copied().unwrap_or(0), |l| l.size()[0]);
            let expected = [dim, if layers.is_empty() { INPUTS } else { dim }];
            check(&weight(layers.len()), tensor, &expected)?;
            layers.push(copy(tensor));
        }
        if layers.is_empty() {
            return Err(missing(weight(0)));
        }
        let gain = state.get(GAIN).ok_or_else(|| missing(GAIN.to_owned()))?;
        check(GAIN, gain, &[])?;
        Ok(Self { layers, gain: copy(gain) })
    }

    /// The weights by name; they share their storage with the model.
    pub fn state(&self) -> StateDict {
        let layers = self.layers.iter().enumerate().map(|(i, tensor)| (weight(i), tensor.shallow_clone()));
        layers.chain([(GAIN.to_owned(), self.gain.shallow_clone())]).collect()
    }

    /// log p(x; σ) but for a constant: mean(y²)·gain/σ − ½‖x/√(σ_d²+σ²)‖², where y is what the layers give. `x`
    /// `[N, 2]`, `sigma` `[N]` to `[N]`.
    pub fn log_density(&self, x: &Tensor, sigma: &Tensor) -> Tensor {
        let sigma = sigma.unsqueeze(-1);
        let x = x / (sigma.square() + SIGMA_DATA * SIGMA_DATA).sqrt();
        let mut y = Tensor::cat(&[x.shallow_clone(), sigma.log() / 4.0, sigma.ones_like()], 1);
        for (index, layer) in self.layers.iter().enumerate() {
            if index > 0 {
                y = mp_silu(&y);
            }
            y = y.matmul(&scaled(layer).tr());
        }
        let mean = y.square().mean_dim([1_i64].as_slice(), false, Kind::Float);
        let norm = x.square().sum_dim_intlist([1_i64].as_slice(), false, Kind::Float);
        mean * &self.gain / sigma.squeeze_dim(-1) - norm * 0.5
    }

    /// ∇ₓ log p(x; σ), `[N, 2]`.
    pub fn score(&self, x: &Tensor, sigma: &Tensor) -> Tensor {
        self.pass(x, sigma).score
    }

    /// As [`Self::score`], with what training needs.
    pub(super) fn pass(&self, x: &Tensor, sigma: &Tensor) -> Pass {
        Pass::new((&self.layers, &self.gain), x, sigma)
    }

    /// Leaves a pass's gradients with the weights.
    pub(super) fn leave(&self, gradients: &Gradients) {
        gradients.leave(&self.layers, &self.gain);
    }

    /// Overwrites each weight by its normalised self, as training does before each step.
    pub fn force_normalization(&self) {
        let _guard = tch::no_grad_guard();
        for layer in &self.layers {
            layer.shallow_clone().copy_(&normalized(layer));
        }
    }
}

/// A layer as its matrix is applied: normalised, and divided by √fan-in.
pub(super) fn scaled(layer: &Tensor) -> Tensor {
    normalized(layer) * (1.0 / (layer.size()[1] as f64).sqrt())
}

fn copy(tensor: &Tensor) -> Tensor {
    tensor.detach().to_kind(Kind::Float).copy().set_requires_grad(true)
}

fn check(name: &str, tensor: &Tensor, expected: &[i64]) -> Result<(), ModelError> {
    let found = tensor.size();
    if found == expected {
        return Ok(());
    }
    Err(ModelError::Shape { name: name.to_owned(), found, expected: format!("{expected:?}") })
}

fidelis_contract::usage_errors!(ModelError);
