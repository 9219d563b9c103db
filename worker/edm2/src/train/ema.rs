//! Power-function moving average of the weights (EDM2, section 3.1).

use tch::Tensor;

use crate::net::StateDict;

/// The exponent γ of the profile whose relative width is `sigma_rel`, in (0, 0.28): the largest real root of
/// γ³ + 7γ² + (16 − σ⁻²)γ + (12 − σ⁻²) = 0 (EDM2, equation 126).
pub fn sigma_rel_to_gamma(sigma_rel: f64) -> f64 {
    let s = sigma_rel.powi(-2);
    let f = |g: f64| ((g + 7.0) * g + 16.0 - s) * g + 12.0 - s;
    // f(0) < 0 for widths below 1/√12, and f(1/σ) > 0: one root lies between, and it is the largest.
    let (mut lo, mut hi) = (0.0, 1.0 / sigma_rel);
    while hi - lo > f64::EPSILON * hi {
        let mid = 0.5 * (lo + hi);
        if mid <= lo || mid >= hi {
            break;
        }
        if f(mid) < 0.0 { lo = mid } else { hi = mid }
    }
    0.5 * (lo + hi)
}

/// Share of the old average that stays when `seen` images have been seen after a step of `batch` images:
/// β = (1 − Δt/t)^{γ+1} (EDM2, equation 124).
pub fn beta(gamma: f64, seen: u64, batch: u64) -> f64 {
    (1.0 - batch as f64 / seen as f64).powf(gamma + 1.0)
}

/// The moving average of one profile.
#[derive(Debug)]
pub struct Ema {
    gamma: f64,
    pub average: StateDict,
}

impl Ema {
    pub fn new(sigma_rel: f64, state: &StateDict) -> Self {
        let average = state.iter().map(|(name, tensor)| (name.clone(), tensor.detach().copy())).collect();
        Self { gamma: sigma_rel_to_gamma(sigma_rel), average }
    }

    /// Moves towards `trained` after a step of `batch` images that brought their number to `seen`.
    pub fn update(&mut self, trained: &StateDict, seen: u64, batch: u64) {
        let _guard = tch::no_grad_guard();
        let share = 1.0 - beta(self.gamma, seen, batch);
        for (name, tensor) in trained {
            if let Some(average) = self.average.get_mut(name) {
                let _: Tensor = average.lerp_(tensor, share);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponents_and_shares_agree_with_the_independent_numbers() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/numbers.json");
        let numbers: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let gammas = numbers["std_to_exp"].as_object().unwrap();
        for (sigma_rel, gamma) in gammas {
            let (found, expected) = (sigma_rel_to_gamma(sigma_rel.parse().unwrap()), gamma.as_f64().unwrap());
            assert!((found - expected).abs() < 1e-9 * expected, "{sigma_rel}: {found} is not {expected}");
        }
        let betas = numbers["beta"].as_object().unwrap();
        assert!(gammas.len() > 5 && betas.len() > 5);
        for (key, expected) in betas {
            let parts: Vec<f64> = key.split(',').map(|p| p.parse().unwrap()).collect();
            let found = beta(sigma_rel_to_gamma(parts[0]), parts[1] as u64, parts[2] as u64);
            assert!((found - expected.as_f64().unwrap()).abs() < 1e-9, "{key}: {found} is not {expected}");
        }
    }
}
