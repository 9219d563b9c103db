//! Guidance of a main net by a second net: D_w = D₀ + w·(D₁ − D₀) (arXiv 2406.02507, equation 3).
//!
//! With a smaller or less trained conditional D₀ this is autoguidance; with an unconditional D₀,
//! classifier-free guidance.

use fidelis_contract::spec::{Damage, Sampling};
use fidelis_formats::net::{Mismatch, check_pair};
use tch::{Kind, Tensor};

use crate::damage::{Evaluation, Role};
use crate::net::{Given, NetConfig, Precond};

/// The main net, the guiding net if there is one, and how strongly it guides. Clones share the weights.
#[derive(Clone, Debug)]
pub struct GuidedNet {
    net: Precond,
    gnet: Option<Precond>,
    guidance: f64,
    /// Guidance acts for σ in (lo, hi]; outside it the guiding net is not evaluated.
    interval: Option<(f64, f64)>,
    net_damage: Damage,
    gnet_damage: Damage,
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
        let (net_damage, gnet_damage) = Default::default();
        Ok(Self { net, gnet, guidance, interval, net_damage, gnet_damage })
    }

    /// The same nets, guided and damaged as these settings have it.
    pub fn sampled(&self, settings: &Sampling) -> Self {
        Self {
            guidance: settings.guidance,
            interval: settings.guidance_interval,
            net_damage: settings.net_damage,
            gnet_damage: settings.gnet_damage,
            ..self.clone()
        }
    }

    pub fn net(&self) -> &Precond {
        &self.net
    }

    /// Of the main net, and of the guiding net if there is one.
    pub fn configs(&self) -> impl Iterator<Item = &NetConfig> {
        std::iter::once(&self.net).chain(&self.gnet).map(Precond::config)
    }

    /// D_w(x; σ) in the type of `x` `[N, C, H, W]`; the nets see float32.
    pub fn denoise(&self, x: &Tensor, sigma: f64, evaluation: Evaluation) -> Tensor {
        let input = x.to_kind(Kind::Float);
        let of = |net: &Precond, role: Role, damage: Damage| {
            let draws = evaluation.of(role);
            let (seen, told) = match damage.input_noise {
                0.0 => (input.shallow_clone(), sigma),
                share => draws.noisier(&input, sigma, share),
            };
            let sigmas = Tensor::full([x.size()[0]], told, (Kind::Float, x.device()));
            let given = Given { labels: evaluation.labels, dropout: draws.dropout(damage.dropout) };
            net.denoise_given(&seen, &sigmas, given)
        };
        let main = of(&self.net, Role::Main, self.net_damage);
        let guided = match &self.gnet {
            Some(gnet) if self.acts_at(sigma, x.kind()) => {
                of(gnet, Role::Guide, self.gnet_damage).lerp(&main, self.guidance)
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
