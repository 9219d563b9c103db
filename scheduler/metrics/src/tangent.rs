//! The Fréchet distance's second-order expansion: what it would be for moments close to those it was computed for.

use faer::linalg::matmul::{matmul, triangular};
use faer::{Accum, Mat, Par, Side};

use crate::factor::noise_floor;
use crate::frechet::{FrechetError, Gaussian};
use crate::moments::Moments;
use crate::products::{congruence, product};

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
    slope: Mat<f64>,
    /// B, [dim, rank]: of a term that is small, in single precision.
    basis: Mat<f32>,
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
        let a = reference.factor().matrix();
        let rank = a.ncols();
        if rank == 0 || !ours.factor().is_full() {
            return Ok(None);
        }
        let inner = congruence(a, ours.sigma());
        let decomposed = inner.self_adjoint_eigen(Side::Lower).map_err(|_| FrechetError::NoConvergence)?;
        let (values, vectors) = (decomposed.S(), decomposed.U());
        // Ascending.
        if values[0] <= noise_floor(rank, values[rank - 1]) {
            return Ok(None);
        }
        // T = B Bᵀ, B = A V Λ^(−¼).
        let mut b = product(a, vectors);
        for k in 0..rank {
            let scale = values[k].powf(-0.25);
            b.col_as_slice_mut(k).iter_mut().for_each(|value| *value *= scale);
        }
        let mut slope = product(b.as_ref(), b.transpose());
        for j in 0..dim {
            slope.col_as_slice_mut(j).iter_mut().for_each(|value| *value = -*value);
            slope[(j, j)] += 1.0;
        }
        let roots: Vec<f64> = (0..rank).map(|k| values[k].sqrt()).collect();
        let constant = reference.trace() - roots.iter().sum::<f64>();
        let basis = Mat::from_fn(dim, rank, |i, k| b[(i, k)] as f32);
        Ok(Some(Self { mu: reference.mu().to_vec(), constant, slope, basis, roots }))
    }

    /// The distance of all of `total` but one part of it, `part`.
    pub(super) fn without(&self, total: &Whole<'_>, part: &Moments) -> f64 {
        let (n, left_out) = (total.moments.count() as f64, part.count() as f64);
        let kept = n - left_out;
        // Chan's rule backwards: S − S_b − (n n_b / n') δδᵀ, δ = mean_b − mean.
        let delta: Vec<f64> = part.mean().iter().zip(total.moments.mean()).map(|(b, all)| b - all).collect();
        let sloped =
            total.sloped - self.sloped(part.scatter()) - n * left_out / kept * self.sloped_outer(&delta);
        let mean = total.moments.mean().iter().zip(&delta).map(|(all, d)| all - d * left_out / kept);
        let mean_term: f64 = mean.zip(&self.mu).map(|(ours, theirs)| (ours - theirs).powi(2)).sum();
        mean_term + sloped / (kept - 1.0) + self.constant + self.bent(&total.change(part, &delta))
    }

    /// ½ Σᵢⱼ Eᵢⱼ²/(sᵢ + sⱼ), E = Bᵀ D B, of a symmetric D.
    fn bent(&self, change: &Mat<f32>) -> f64 {
        use triangular::BlockStructure::{Rectangular, TriangularLower};
        let (dim, rank) = (self.basis.nrows(), self.basis.ncols());
        let mut turned = Mat::<f32>::zeros(dim, rank);
        matmul(turned.as_mut(), Accum::Replace, change.as_ref(), self.basis.as_ref(), 1.0, Par::Seq);
        let mut e = Mat::<f32>::zeros(rank, rank);
        let (to, b) = (e.as_mut(), self.basis.transpose());
        triangular::matmul(
            to,
            TriangularLower,
            Accum::Replace,
            b,
            Rectangular,
            &turned,
            Rectangular,
            1.0,
            Par::Seq,
        );
        let columns = (0..rank).map(|j| {
            let term = |i: usize| f64::from(e[(i, j)]).powi(2) / (self.roots[i] + self.roots[j]);
            0.5 * term(j) + (j + 1..rank).map(term).sum::<f64>()
        });
        columns.sum()
    }

    /// tr((I − T) S), of a symmetric S of which the lower triangle counts.
    fn sloped(&self, scatter: &Mat<f64>) -> f64 {
        let columns = (0..self.slope.ncols()).map(|j| {
            let (slope, scatter) = (self.slope.col_as_slice(j), scatter.col_as_slice(j));
            let below: f64 = slope[j + 1..].iter().zip(&scatter[j + 1..]).map(|(a, b)| a * b).sum();
            slope[j] * scatter[j] + 2.0 * below
        });
        columns.sum()
    }

    /// vᵀ (I − T) v.
    fn sloped_outer(&self, v: &[f64]) -> f64 {
        let columns = v.iter().enumerate().map(|(j, vj)| {
            let along: f64 = self.slope.col_as_slice(j).iter().zip(v).map(|(a, b)| a * b).sum();
            vj * along
        });
        columns.sum()
    }
}

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
    fn change(&self, part: &Moments, delta: &[f64]) -> Mat<f32> {
        let (n, left_out) = (self.moments.count() as f64, part.count() as f64);
        let (kept, dim) = (n - left_out, delta.len());
        let mut change = Mat::zeros(dim, dim);
        for (j, &along) in delta.iter().enumerate() {
            let all = &self.moments.scatter().col_as_slice(j)[j..];
            let gone = &part.scatter().col_as_slice(j)[j..];
            for (i, ((all, gone), across)) in (j..dim).zip(all.iter().zip(gone).zip(&delta[j..])) {
                let rest = all - gone - n * left_out / kept * across * along;
                let value = (rest / (kept - 1.0) - all / (n - 1.0)) as f32;
                change[(i, j)] = value;
                change[(j, i)] = value;
            }
        }
        change
    }
}
