//! Power-function averaging profiles (EDM2, section 3.1 and appendix C).

/// Above this relative width, 1/√12, no profile has a positive exponent.
pub const MAX_SIGMA_REL: f64 = 0.2886;

/// The exponent γ of the profile whose relative width is `sigma_rel`, in (0, [`MAX_SIGMA_REL`]): the largest real root
/// of γ³ + 7γ² + (16 − σ⁻²)γ + (12 − σ⁻²) = 0 (EDM2, equation 126).
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

/// p(τ) = (γ+1) τ^γ / t^{γ+1} on [0, t]: how much the weights at time τ count in an average taken at time t.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Profile {
    /// t, in images.
    pub images: f64,
    /// γ.
    pub gamma: f64,
}

impl Profile {
    /// ∫ p_a(τ) p_b(τ) dτ (EDM2, equation 145).
    pub fn inner(&self, other: &Self) -> f64 {
        let ((ta, ga), (tb, gb)) = ((self.images, self.gamma), (other.images, other.gamma));
        let exponent = if ta < tb { gb } else { -ga };
        (ga + 1.0) * (gb + 1.0) * (ta / tb).powf(exponent) / ((ga + gb + 1.0) * ta.max(tb))
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

    /// By a sum over a million slices.
    #[test]
    fn inner_products_are_integrals() {
        let (a, b) = (Profile { images: 3.0, gamma: 2.5 }, Profile { images: 5.0, gamma: 0.7 });
        let at = |p: &Profile, x: f64| {
            if x > p.images { 0.0 } else { (p.gamma + 1.0) * x.powf(p.gamma) / p.images.powf(p.gamma + 1.0) }
        };
        let slices = 1_000_000;
        let width = 5.0 / slices as f64;
        let sum: f64 =
            (0..slices).map(|i| (i as f64 + 0.5) * width).map(|x| at(&a, x) * at(&b, x) * width).sum();
        assert!((a.inner(&b) - sum).abs() < 1e-6 && (b.inner(&a) - sum).abs() < 1e-6, "{sum}");
    }
}
