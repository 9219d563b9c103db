//! The score of a net and the gradients of its loss, written out.
//!
//! The score is a derivative already, and training derives it again: autograd keeps a graph of graphs for that and passes
//! over each layer about twice as often as what is below. With layers zᵢ = hᵢ Wᵢᵀ, hᵢ₊₁ = φ(zᵢ), y the last z and
//! log p = g·mean(y²)/σ − ½‖x̂‖², x̂ = x/√(σ_d²+σ²):
//! - backward: aᵢ = ∂log p/∂zᵢ, bᵢ = aᵢ Wᵢ = ∂log p/∂hᵢ; the score is (b₀ − x̂)/√(σ_d²+σ²)
//! - the loss changes with the score by G; ⟨score, G⟩ is how log p changes along G. That change, żᵢ and ḣᵢ, goes
//!   forward, and eᵢ = ∂⟨score, G⟩/∂zᵢ goes backward; ∂⟨score, G⟩/∂żᵢ is aᵢ, so that ∂Wᵢ = aᵢᵀ ḣᵢ + eᵢᵀ hᵢ.

use tch::{Kind, Tensor};

use super::model::{SIGMA_DATA, scaled};

/// Of [`crate::net::mp_silu`].
const SILU_MAGNITUDE: f64 = 0.596;

/// A net's passes over points `[N, 2]`: forward, and back to the score.
#[derive(Debug)]
pub(super) struct Pass {
    /// As the matrices are applied: normalised, and divided by √fan-in.
    weights: Vec<Tensor>,
    /// h₀, h₁, …
    inputs: Vec<Tensor>,
    /// φ′ and φ″ at z₀, z₁, … but the last.
    slopes: Vec<Tensor>,
    curves: Vec<Tensor>,
    /// a₀, a₁, …
    adjoints: Vec<Tensor>,
    /// b₁, b₂, …
    backs: Vec<Tensor>,
    last: Tensor,
    gain: Tensor,
    /// 2/(σ·dim), `[N, 1]`.
    factor: Tensor,
    /// √(σ_d²+σ²), `[N, 1]`.
    radius: Tensor,
    /// ∇ₓ log p, `[N, 2]`.
    pub score: Tensor,
}

/// Of a number that the score decides: its derivatives by the matrices as they are applied, and by the gain.
#[derive(Debug)]
pub(super) struct Gradients {
    weights: Vec<Tensor>,
    gain: Tensor,
}

impl Pass {
    /// With layers `[out, in]` as stored, and the gain.
    pub fn new((layers, gain): (&[Tensor], &Tensor), x: &Tensor, sigma: &Tensor) -> Self {
        let _guard = tch::no_grad_guard();
        let weights: Vec<Tensor> = layers.iter().map(scaled).collect();
        let sigma = sigma.unsqueeze(-1);
        let radius = (sigma.square() + SIGMA_DATA * SIGMA_DATA).sqrt();
        let x = x / &radius;
        let mut inputs = vec![Tensor::cat(&[x.shallow_clone(), sigma.log() / 4.0, sigma.ones_like()], 1)];
        let (mut slopes, mut curves) = (Vec::new(), Vec::new());
        for weight in &weights[..weights.len() - 1] {
            let z = inputs[inputs.len() - 1].matmul(&weight.tr());
            let (h, slope, curve) = activation(z);
            inputs.push(h);
            slopes.push(slope);
            curves.push(curve);
        }
        let top = weights.len() - 1;
        let last = inputs[top].matmul(&weights[top].tr());
        let factor = sigma.reciprocal() * (2.0 / last.size()[1] as f64);
        let mut adjoints = vec![&last * (&factor * gain)];
        let mut backs = Vec::new();
        for i in (1..=top).rev() {
            let back = adjoints[adjoints.len() - 1].matmul(&weights[i]);
            adjoints.push(&back * &slopes[i - 1]);
            backs.push(back);
        }
        adjoints.reverse();
        backs.reverse();
        let score = (adjoints[0].matmul(&weights[0].narrow(1, 0, 2)) - x) / &radius;
        let gain = gain.detach();
        Self { weights, inputs, slopes, curves, adjoints, backs, last, gain, factor, radius, score }
    }

    /// Of a number whose derivative by the score is `by_score`, `[N, 2]`.
    pub fn gradients(&self, by_score: &Tensor) -> Gradients {
        let _guard = tch::no_grad_guard();
        let top = self.weights.len() - 1;
        // Only the coordinates move; the noise level and the constant stay.
        let mut tangents = vec![(by_score / &self.radius).constant_pad_nd([0, 2])];
        let mut moves = Vec::new();
        for i in 0..top {
            let moved = tangents[i].matmul(&self.weights[i].tr());
            tangents.push(&moved * &self.slopes[i]);
            moves.push(moved);
        }
        let last = tangents[top].matmul(&self.weights[top].tr()) * &self.factor;
        let gain = (&self.last * &last).sum(Kind::Float);
        let mut adjoint = last * &self.gain;
        let mut weights = Vec::new();
        for i in (0..=top).rev() {
            weights.push(self.adjoints[i].tr().matmul(&tangents[i]) + adjoint.tr().matmul(&self.inputs[i]));
            if i > 0 {
                let curved = (&self.backs[i - 1] * &self.curves[i - 1]).g_mul_(&moves[i - 1]);
                adjoint = curved.addcmul(&adjoint.matmul(&self.weights[i]), &self.slopes[i - 1]);
            }
        }
        weights.reverse();
        Gradients { weights, gain }
    }
}

impl Gradients {
    /// Leaves the gradients with the layers as stored, and with the gain: through the normalisation by autograd, which
    /// is as small as the matrices are.
    pub fn leave(&self, layers: &[Tensor], gain: &Tensor) {
        let through =
            layers.iter().zip(&self.weights).map(|(layer, by)| (scaled(layer) * by).sum(Kind::Float));
        through.fold(gain * &self.gain, |sum, part| sum + part).backward();
    }
}

/// φ, φ′ and φ″ of `z` for φ(z) = z·s/c with s = sigmoid(z): φ′ = φ + s·(1/c − φ), φ″ = (1 − s)·(2φ′ − φ).
fn activation(z: Tensor) -> (Tensor, Tensor, Tensor) {
    let sigmoid = z.sigmoid();
    let value = (z * (1.0 / SILU_MAGNITUDE)).g_mul_(&sigmoid);
    let slope = (1.0 / SILU_MAGNITUDE - &value).g_mul_(&sigmoid).g_add_(&value);
    let curve = (&slope * 2.0).g_sub_(&value).g_mul_(&(1.0 - sigmoid));
    (value, slope, curve)
}
