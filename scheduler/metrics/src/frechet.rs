//! The Fréchet distance between two Gaussians, without a general matrix square root.

use faer::MatRef;
use fidelis_formats::stats::Statistics;

use crate::factor::{Factor, Factored};
use crate::linalg::{Panels, eigenvalues};

/// A distance, and what had to be done to get it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Frechet {
    /// ‖mu₁−mu₂‖² + tr(sigma₁) + tr(sigma₂) − 2·tr((sigma₁ sigma₂)^½), at least 0.
    pub value: f64,
    /// Σ|λ| over the negative eigenvalues of sigma₁ sigma₂, which rounding made and which count as 0.
    pub clipped_mass: f64,
    /// Σ|λ| over the negative eigenvalues of sigma₁ and of sigma₂, likewise.
    pub sigma_clipped_mass: f64,
    /// One of the two has no more images than features, or a covariance of less than full rank.
    pub rank_deficient: bool,
}

/// A distance below minus this share of the traces comes of no rounding.
const MAX_NEGATIVE: f64 = 1e-6;

/// Why two sets of statistics have no distance.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum FrechetError {
    /// The two were made by different detectors.
    #[error("features of `{ours}` and of `{theirs}` dimensions: both sides need the same detector")]
    Dimensions {
        /// Width of the first.
        ours: usize,
        /// Width of the second.
        theirs: usize,
    },
    /// mu and sigma do not make a Gaussian.
    #[error("these statistics are not a mean and a covariance: {0}; write them again")]
    NotGaussian(&'static str),
    /// A covariance has no eigenvalue below 0.
    #[error(
        "sigma is no covariance, as it is not positive semi-definite: its eigenvalues go from `{least:e}` to \
         `{largest:e}`; it is likely {likely}"
    )]
    Indefinite {
        /// The most negative eigenvalue.
        least: f64,
        /// The largest.
        largest: f64,
        /// What it likely is.
        likely: &'static str,
    },
    /// Numbers that no distance comes out of.
    #[error(
        "the distance came out as `{value:e}` where the traces of the covariances are `{trace:e}`, which no two sets of \
         features have: check mu and sigma of both sides for absurd magnitudes"
    )]
    NoDistance {
        /// What came out.
        value: f64,
        /// tr(sigma₁) + tr(sigma₂).
        trace: f64,
    },
    /// The eigenvalue iteration gave up; never seen with finite input.
    #[error("the eigenvalues of the covariance did not converge: check the features for absurd magnitudes")]
    NoConvergence,
}

fidelis_contract::usage_errors!(FrechetError);

/// Statistics checked and factored, ready to be compared any number of times.
#[derive(Clone, Debug)]
pub struct Gaussian {
    mu: Vec<f64>,
    sigma: Panels<f64>,
    trace: f64,
    factor: Factor,
    clipped_mass: f64,
    num_images: u64,
}

impl Gaussian {
    /// Checks the shapes (`[D]`, `[D, D]`), finiteness and symmetry, and factors sigma. `num_images` 0 means unknown.
    pub fn new(statistics: &Statistics) -> Result<Self, FrechetError> {
        let Statistics { mu, sigma, num_images, .. } = statistics;
        let dim = mu.len();
        if dim == 0 || sigma.len() != dim * dim {
            return Err(FrechetError::NotGaussian("the shapes of mu and sigma do not fit"));
        }
        if !mu.iter().chain(sigma).all(|x| x.is_finite()) {
            return Err(FrechetError::NotGaussian("they hold an infinity or a NaN"));
        }
        let largest = sigma.iter().step_by(dim + 1).fold(0.0_f64, |most, &variance| most.max(variance));
        if !is_symmetric(sigma, dim, 1e-6 * largest) {
            return Err(FrechetError::NotGaussian("sigma is not symmetric"));
        }
        let sigma = Panels::of(MatRef::from_column_major_slice(sigma, dim, dim));
        let Factored { factor, clipped } = Factor::find(&sigma, *num_images)?;
        let (sigma, clipped_mass) = match clipped {
            Some((nearest, mass)) => (Panels::of(nearest.as_ref()), mass),
            None => (sigma, 0.0),
        };
        let trace = (0..dim).map(|i| sigma.get(i, i)).sum();
        Ok(Self { mu: mu.clone(), sigma, trace, factor, clipped_mass, num_images: *num_images })
    }

    /// Whether there are no more images than features, or the covariance has less than full rank.
    pub fn is_rank_deficient(&self) -> bool {
        (1..=self.dim() as u64).contains(&self.num_images) || !self.factor.is_full()
    }

    /// Images behind it; 0 where that is not known.
    pub fn num_images(&self) -> u64 {
        self.num_images
    }

    /// Features per image.
    pub fn dim(&self) -> usize {
        self.mu.len()
    }

    /// The distance to `reference`; equal both ways to rounding.
    pub fn distance(&self, reference: &Self) -> Result<Frechet, FrechetError> {
        if self.dim() != reference.dim() {
            return Err(FrechetError::Dimensions { ours: self.dim(), theirs: reference.dim() });
        }
        // Factoring the side of lower rank leaves no zero eigenvalues, whose rounding the root would magnify.
        let (factored, other) = match self.factor.rank() < reference.factor.rank() {
            true => (self, reference),
            false => (reference, self),
        };
        let root = trace_of_root(&factored.factor, &other.sigma)?;
        self.distance_by(reference, root)
    }

    /// The distance by the trace of a root, and the mass that was clipped under it.
    pub(super) fn distance_by(
        &self,
        reference: &Self,
        (root_trace, clipped_mass): (f64, f64),
    ) -> Result<Frechet, FrechetError> {
        let mean_term: f64 = self.mu.iter().zip(&reference.mu).map(|(a, b)| (a - b) * (a - b)).sum();
        let value = mean_term + self.trace + reference.trace - 2.0 * root_trace;
        let trace = self.trace + reference.trace;
        if !value.is_finite() || value < -MAX_NEGATIVE * trace {
            return Err(FrechetError::NoDistance { value, trace });
        }
        Ok(Frechet {
            value: value.max(0.0),
            clipped_mass,
            sigma_clipped_mass: self.clipped_mass + reference.clipped_mass,
            rank_deficient: self.is_rank_deficient() || reference.is_rank_deficient(),
        })
    }
}

impl Gaussian {
    pub(super) fn mu(&self) -> &[f64] {
        &self.mu
    }

    pub(super) fn sigma(&self) -> &Panels<f64> {
        &self.sigma
    }

    pub(super) fn trace(&self) -> f64 {
        self.trace
    }

    pub(super) fn factor(&self) -> &Factor {
        &self.factor
    }
}

/// tr((A Aᵀ sigma)^½) from the eigenvalues of the symmetric Aᵀ sigma A, and the mass of those clipped at 0.
fn trace_of_root(factor: &Factor, sigma: &Panels<f64>) -> Result<(f64, f64), FrechetError> {
    let eigenvalues = eigenvalues(factor.congruence(sigma)).ok_or(FrechetError::NoConvergence)?;
    let root_trace = eigenvalues.iter().map(|&l| l.max(0.0).sqrt()).sum();
    let clipped_mass = eigenvalues.iter().map(|&l| (-l).max(0.0)).sum();
    Ok((root_trace, clipped_mass))
}

/// Whether no value is farther than that from the one across the diagonal.
fn is_symmetric(values: &[f64], dim: usize, tolerance: f64) -> bool {
    /// Rows and columns that are looked at together: both blocks stay in the cache.
    const BLOCK: usize = 32;
    let blocks = |end: usize| (0..end).step_by(BLOCK).map(move |first| first..(first + BLOCK).min(end));
    blocks(dim).all(|rows| {
        blocks(rows.end).all(|columns| {
            rows.clone().all(|i| {
                columns.clone().all(|j| (values[i * dim + j] - values[j * dim + i]).abs() <= tolerance)
            })
        })
    })
}
