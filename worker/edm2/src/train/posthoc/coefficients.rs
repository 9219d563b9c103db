//! How much each snapshot counts.

use tch::Tensor;

use crate::train::profile::Profile;

/// The best approximation of a profile by others.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    /// One for each profile; of sum 1.
    pub coefficients: Vec<f64>,
    /// ‖Σ xᵢpᵢ − p‖ / ‖p‖: 0 where the profile is met exactly.
    pub misfit: f64,
}

/// Solves A x = b with Aᵢⱼ = ⟨pᵢ, pⱼ⟩ and bᵢ = ⟨pᵢ, p⟩ in float64 and scales x to a sum of 1; `None` where the profiles do
/// not differ enough to tell them apart.
pub fn fit(profiles: &[Profile], wanted: &Profile) -> Option<Fit> {
    let n = profiles.len() as i64;
    let products: Vec<f64> = profiles.iter().flat_map(|a| profiles.iter().map(|b| a.inner(b))).collect();
    let targets: Vec<f64> = profiles.iter().map(|a| a.inner(wanted)).collect();
    let a = Tensor::from_slice(&products).reshape([n, n]);
    let b = Tensor::from_slice(&targets);
    let solution = Tensor::f_linalg_solve(&a, &b, true).ok()?;
    let solution = &solution / solution.sum(tch::Kind::Double);
    let coefficients: Vec<f64> = Vec::try_from(&solution).ok()?;
    if coefficients.iter().any(|x| !x.is_finite()) {
        return None;
    }
    let norm = wanted.inner(wanted);
    let square =
        norm - 2.0 * solution.dot(&b).double_value(&[]) + solution.dot(&a.mv(&solution)).double_value(&[]);
    Some(Fit { coefficients, misfit: (square.max(0.0) / norm).sqrt() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::sigma_rel_to_gamma;

    #[derive(serde::Deserialize)]
    struct Case {
        in_nimg: Vec<f64>,
        in_std: Vec<f64>,
        out_nimg: f64,
        out_std: Vec<f64>,
        coefs: Vec<Vec<f64>>,
    }

    fn profile(images: f64, sigma_rel: f64) -> Profile {
        Profile { images, gamma: sigma_rel_to_gamma(sigma_rel) }
    }

    #[test]
    fn coefficients_agree_with_the_independent_ones() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/phema/numbers.json");
        let numbers: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let cases: Vec<Case> = serde_json::from_value(numbers["cases"].clone()).unwrap();
        assert_eq!(cases.len(), 3);
        for case in cases {
            let profiles: Vec<Profile> =
                case.in_nimg.iter().zip(&case.in_std).map(|(&t, &s)| profile(t, s)).collect();
            for (&sigma_rel, expected) in case.out_std.iter().zip(&case.coefs) {
                let found = fit(&profiles, &profile(case.out_nimg, sigma_rel)).unwrap();
                for (x, y) in found.coefficients.iter().zip(expected) {
                    assert!((x - y).abs() <= 1e-9, "{sigma_rel}: {x} is not {y}");
                }
                assert_eq!(found.coefficients.len(), expected.len());
            }
        }
    }

    #[test]
    fn a_profile_that_is_there_is_met_and_one_that_is_far_is_not() {
        let profiles = [profile(1e6, 0.05), profile(2e6, 0.05), profile(2e6, 0.1)];
        let exact = fit(&profiles, &profiles[1]).unwrap();
        assert!(exact.misfit < 1e-6 && (exact.coefficients[1] - 1.0).abs() < 1e-9);
        assert!(fit(&profiles, &profile(2e6, 0.01)).unwrap().misfit > 0.3);
        assert_eq!(fit(&[profiles[0], profiles[0]], &profiles[1]), None);
    }
}
