//! Guidance of a main net by a second net: D_w = D₀ + w·(D₁ − D₀) (arXiv 2406.02507, equation 3).
//!
//! With a smaller or less trained conditional D₀ this is autoguidance; with an unconditional D₀,
//! classifier-free guidance.

use fidelis_formats::net::{Mismatch, check_pair};
use tch::{Kind, Tensor};

use crate::net::{NetConfig, Precond};

/// The main net, the guiding net if there is one, and how strongly it guides. Clones share the weights.
#[derive(Clone, Debug)]
pub struct GuidedNet {
    net: Precond,
    gnet: Option<Precond>,
    guidance: f64,
    /// Guidance acts for σ in (lo, hi]; outside it the guiding net is not evaluated.
    interval: Option<(f64, f64)>,
}

impl GuidedNet {
    /// Checks that the two nets act on the same images at the same scale, with the same classes.
    pub fn new(
        net: Precond,
        gnet: Option<Precond>,
        guidance: f64,
        interval: Option<(f64, f64)>,
    ) -> Result<Self, Mismatch> {
        if let Some(gnet) = &gnet {
            check_pair(net.config(), gnet.config())?;
        }
        Ok(Self { net, gnet, guidance, interval })
    }

    /// The same nets, guided otherwise.
    pub fn guided(&self, guidance: f64, interval: Option<(f64, f64)>) -> Self {
        Self { guidance, interval, ..self.clone() }
    }

    pub fn net(&self) -> &Precond {
        &self.net
    }

    /// Of the main net, and of the guiding net if there is one.
    pub fn configs(&self) -> impl Iterator<Item = &NetConfig> {
        std::iter::once(&self.net).chain(&self.gnet).map(Precond::config)
    }

    /// D_w(x; σ) in the type of `x` `[N, C, H, W]`; the nets see float32.
    pub fn denoise(&self, x: &Tensor, sigma: f64, labels: Option<&Tensor>) -> Tensor {
        let input = x.to_kind(Kind::Float);
        let sigmas = Tensor::full([x.size()[0]], sigma, (Kind::Float, x.device()));
        let main = self.net.denoise(&input, &sigmas, labels);
        let guided = match &self.gnet {
            Some(gnet) if self.acts_at(sigma, x.kind()) => {
                gnet.denoise(&input, &sigmas, labels).lerp(&main, self.guidance)
            }
            _ => main,
        };
        guided.to_kind(x.kind())
    }

    /// Compares in the state's type, of which the noise levels are.
    fn acts_at(&self, sigma: f64, state: Kind) -> bool {
        let edge = |value: f64| if state == Kind::Double { value } else { f64::from(value as f32) };
        self.guidance != 1.0 && self.interval.is_none_or(|(lo, hi)| edge(lo) < sigma && sigma <= edge(hi))
    }
}
