//! The Fréchet distance's second-order expansion: what it would be for moments close to those it was computed for.

use faer::Side;

use crate::factor::noise_floor;
use crate::frechet::{Frechet, FrechetError, Gaussian};
use crate::linalg::{Panels, Wanted, product, product_within};
use crate::moments::Moments;

/// With sigma₂ = A Aᵀ, M = Aᵀ sigma₁ A = V S² Vᵀ, B = A V S^(−½) and T = B Bᵀ (the linear map that carries the first
/// Gaussian to the second), tr(M^½) changes with sigma₁ by ½ tr(T d sigma₁) − ¼ Σᵢⱼ Eᵢⱼ²/(sᵢ + sⱼ), E = Bᵀ d sigma₁ B. As
/// tr(T sigma₁) = tr(M^½), near (mu₁, sigma₁)
///
/// FD(mu, sigma) ≈ ‖mu−mu₂‖² + tr(sigma) + tr(sigma₂) − tr(M^½) − tr(T sigma) + ½ Σᵢⱼ Eᵢⱼ²/(sᵢ + sⱼ).
#[derive(Clone, Debug)]
pub(super) struct Tangent {
    mu: Vec<f64>,
    /// tr(sigma₂) − tr(M^½).
    constant: f64,
    /// I − T, of which the lower triangle counts: [dim, dim].
    slope: Panels<f64>,
    /// Bᵀ, [rank, dim]: of a term that is small, in single precision.
    basis: Panels<f32>,
    /// sᵢ, ascending.
    roots: Vec<f64>,
}

impl Tangent {
    /// About the distance of `ours` to `reference`. `None` where M has no inverse: it is not smooth there.
    ///
    /// # Errors
    /// Two of different widths.
    pub(super) fn new(ours: &Gaussian, reference: &Gaussian) -> Result<Option<Self>, FrechetError> {
        let (dim, theirs) = (ours.dim(), reference.dim());
        if dim != theirs {
            return Err(FrechetError::Dimensions { ours: dim, theirs });
        }
        let rank = reference.factor().rank();
        if rank == 0 || !ours.factor().is_full() {
            return Ok(None);
        }
        let inner = reference.factor().congruence(ours.sigma()).to_mat();
        let decomposed = inner.self_adjoint_eigen(Side::Lower).map_err(|_| FrechetError::NoConvergence)?;
        let (values, vectors) = (decomposed.S(), decomposed.U());
        // Ascending.
        if values[0] <= noise_floor(rank, values[rank - 1]) {
            return Ok(None);
        }
        // T = B Bᵀ, B = A V Λ^(−¼).
        let mut b = reference.factor().times(&Panels::of(vectors.transpose()));
        let stride = b.stride();
        for packs in b.packs_mut().chunks_mut(stride) {
            for (k, pack) in packs[..rank].iter_mut().enumerate() {
                let scale = values[k].powf(-0.25);
                pack.iter_mut().for_each(|value| *value *= scale);
            }
        }
        let mut slope = product(&b, &b, Wanted::Lower);
        slope.packs_mut().iter_mut().flatten().for_each(|value| *value = -*value);
        (0..dim).for_each(|i| *slope.get_mut(i, i) += 1.0);
        let roots: Vec<f64> = (0..rank).map(|k| values[k].sqrt()).collect();
        let constant = reference.trace() - roots.iter().sum::<f64>();
        let basis = Panels::from_fn(rank, dim, |k, i| b.get(i, k) as f32);
        Ok(Some(Self { mu: reference.mu().to_vec(), constant, slope, basis, roots }))
    }

    /// The distance of `ours` to `reference`, those that it was made of.
    pub(super) fn distance(&self, ours: &Gaussian, reference: &Gaussian) -> Result<Frechet, FrechetError> {
        // No eigenvalue is near 0, so none is clipped.
        ours.distance_by(reference, (self.roots.iter().sum(), 0.0))
    }

    /// The distance of all of `total` but one part of it, `part`.
    pub(super) fn without(&self, total: &Whole<'_>, part: &Moments, scratch: &mut Scratch) -> f64 {
        let (n, left_out) = (total.moments.count() as f64, part.count() as f64);
        let kept = n - left_out;
        // Chan's rule backwards: S − S_b − (n n_b / n') δδᵀ, δ = mean_b − mean.
        let delta: Vec<f64> = part.mean().iter().zip(total.moments.mean()).map(|(b, all)| b - all).collect();
        let sloped =
            total.sloped - self.sloped(part.scatter()) - n * left_out / kept * self.sloped_outer(&delta);
        let mean = total.moments.mean().iter().zip(&delta).map(|(all, d)| all - d * left_out / kept);
        let mean_term: f64 = mean.zip(&self.mu).map(|(ours, theirs)| (ours - theirs).powi(2)).sum();
        total.change(part, &delta, &mut scratch.change);
        mean_term + sloped / (kept - 1.0) + self.constant + self.bent(scratch)
    }

    /// ½ Σᵢⱼ Eᵢⱼ²/(sᵢ + sⱼ), E = Bᵀ D B, of the symmetric D that is the change.
    fn bent(&self, scratch: &mut Scratch) -> f64 {
        let Scratch { change, turned, e } = scratch;
        product_within(&self.basis, change, Wanted::All, turned);
        product_within(turned, &self.basis, Wanted::Lower, e);
        let rows = (0..e.count()).map(|panel| {
            let roots = &self.roots[panel * LANES..];
            let mut sum = 0.0;
            for (j, pack) in e.panel(panel)[..self.roots.len().min((panel + 1) * LANES)].iter().enumerate() {
                for ((i, e), root) in (panel * LANES..).zip(pack).zip(roots).filter(|((i, _), _)| *i >= j) {
                    let term = f64::from(*e).powi(2) / (root + self.roots[j]);
                    sum += if i == j { 0.5 * term } else { term };
                }
            }
            sum
        });
        rows.sum()
    }

    /// tr((I − T) S), of a symmetric S of which the lower triangle counts.
    fn sloped(&self, scatter: &Panels<f64>) -> f64 {
        self.sum(|panel, j| scatter.panel(panel)[j])
    }

    /// vᵀ (I − T) v.
    fn sloped_outer(&self, v: &[f64]) -> f64 {
        let row = |i: usize| v.get(i).copied().unwrap_or_default();
        let along: Vec<[f64; 8]> =
            (0..self.slope.count()).map(|panel| std::array::from_fn(|r| row(8 * panel + r))).collect();
        self.sum(|panel, j| along[panel].map(|value| value * v[j]))
    }

    /// Σᵢⱼ (I − T)ᵢⱼ Sᵢⱼ, of S as packs of rows.
    fn sum(&self, of: impl Fn(usize, usize) -> [f64; 8]) -> f64 {
        let mut sums = [0.0; 8];
        for panel in 0..self.slope.count() {
            let first = 8 * panel;
            for (j, slope) in
                self.slope.panel(panel)[..self.slope.columns().min(first + 8)].iter().enumerate()
            {
                let values = slope.iter().zip(of(panel, j));
                for ((i, sum), (slope, value)) in (first..).zip(&mut sums).zip(values) {
                    let times = if i > j { 2.0 } else { f64::from(u8::from(i == j)) };
                    *sum += times * slope * value;
                }
            }
        }
        sums.iter().sum()
    }
}

/// Memory for what a block changes, used again from block to block.
#[derive(Debug)]
pub(super) struct Scratch {
    change: Panels<f32>,
    turned: Panels<f32>,
    e: Panels<f32>,
}

impl Scratch {
    pub(super) fn new() -> Self {
        let nothing = || Panels::zeros(0, 0);
        Self { change: nothing(), turned: nothing(), e: nothing() }
    }
}

/// Numbers of a pack in single precision.
const LANES: usize = 16;

/// All images, and tr((I − T) S) of them.
#[derive(Debug)]
pub(super) struct Whole<'a> {
    moments: &'a Moments,
    sloped: f64,
}

impl<'a> Whole<'a> {
    pub(super) fn new(tangent: &Tangent, moments: &'a Moments) -> Self {
        Self { moments, sloped: tangent.sloped(moments.scatter()) }
    }

    /// What leaving out a part, whose mean is `delta` from that of all, changes in sigma: [dim, dim].
    fn change(&self, part: &Moments, delta: &[f64], change: &mut Panels<f32>) {
        let (n, left_out) = (self.moments.count() as f64, part.count() as f64);
        let (kept, dim) = (n - left_out, delta.len());
        let (less, more) = (1.0 / (kept - 1.0), 1.0 / (n - 1.0));
        if change.rows() != dim {
            *change = Panels::zeros(dim, dim);
        }
        let stride = change.stride();
        for (panel, packs) in change.packs_mut().chunks_mut(stride).enumerate() {
            let first = panel * LANES;
            for half in (0..LANES).step_by(8).filter(|half| first + half < dim) {
                let source = (first + half) / 8;
                let (all, gone) = (self.moments.scatter().panel(source), part.scatter().panel(source));
                let across = &delta[first + half..dim.min(first + half + 8)];
                for (j, pack) in packs[..dim.min(first + half + 8)].iter_mut().enumerate() {
                    let along = n * left_out / kept * delta[j];
                    let values = all[j].iter().zip(&gone[j]).zip(across);
                    for (value, ((all, gone), across)) in pack[half..].iter_mut().zip(values) {
                        let rest = all - gone - across * along;
                        *value = (rest * less - all * more) as f32;
                    }
                }
            }
        }
        change.mirror();
    }
}
