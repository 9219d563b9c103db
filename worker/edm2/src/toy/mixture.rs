//! Mixtures of Gaussians in the plane: density and score in closed form, at any noise level, in float64.

use rayon::prelude::*;
use tch::{Device, Kind, Tensor};

/// Below the largest by this much, a thousand terms together add less than 10⁻¹⁰.
const NEGLIGIBLE: f64 = 30.0;
/// What float32 may have got wrong of an exponent, alone and for each unit of it.
const SLACK: [f32; 2] = [1.0, 1e-5];
/// Points that one thread takes at a time.
const CHUNK: usize = 64;

/// One component.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gaussian {
    /// Relative to the others.
    pub weight: f64,
    pub mean: [f64; 2],
    /// `[Σ_xx, Σ_xy, Σ_yy]`, positive definite.
    pub covariance: [f64; 3],
}

/// A mixture of Gaussians. With noise σ added, each covariance Σ becomes Σ + σ²I and keeps its axes.
#[derive(Clone, Debug)]
pub struct Mixture {
    components: Vec<Gaussian>,
    axes: Vec<Axes>,
    rough: Rough,
}

/// A component in the coordinates of its axes.
#[derive(Clone, Copy, Debug)]
struct Axes {
    weight: f64,
    mean: [f64; 2],
    /// Unit vector of the first axis; the second is perpendicular to it.
    first: [f64; 2],
    /// Along the first and the second axis.
    variances: [f64; 2],
}

impl Axes {
    fn new(gaussian: &Gaussian) -> Self {
        let [xx, xy, yy] = gaussian.covariance;
        let (middle, half) = (0.5 * (xx + yy), 0.5 * (xx - yy));
        let radius = half.hypot(xy);
        let angle = 0.5 * xy.atan2(half);
        Self {
            weight: gaussian.weight,
            mean: gaussian.mean,
            first: [angle.cos(), angle.sin()],
            // The product is the determinant: better than a difference of nearly equal numbers.
            variances: [middle + radius, (xx * yy - xy * xy) / (middle + radius)],
        }
    }

    /// Coordinates of `x` along the axes, from the mean.
    fn along(&self, x: [f64; 2]) -> [f64; 2] {
        let [dx, dy] = [x[0] - self.mean[0], x[1] - self.mean[1]];
        [dx * self.first[0] + dy * self.first[1], dy * self.first[0] - dx * self.first[1]]
    }

    fn term(&self, index: usize, x: [f64; 2], noise: f64) -> Term {
        let [u, v] = self.along(x);
        let [a, b] = self.variances.map(|variance| variance + noise);
        let precision = 1.0 / (a * b);
        Term { index, exponent: -0.5 * (u * u * b + v * v * a) * precision, precision, pull: [u * b, v * a] }
    }
}

/// The axes in float32, a column each, for a first pass over all components that the compiler can vectorise.
#[derive(Clone, Debug, Default)]
struct Rough {
    first: [Vec<f32>; 2],
    mean: [Vec<f32>; 2],
    variances: [Vec<f32>; 2],
}

impl Rough {
    fn new(axes: &[Axes]) -> Self {
        let column = |of: &dyn Fn(&Axes) -> f64| axes.iter().map(|axes| of(axes) as f32).collect();
        Self {
            first: [column(&|a| a.first[0]), column(&|a| a.first[1])],
            // Coordinates of the mean along the axes.
            mean: [
                column(&|a| a.mean[0] * a.first[0] + a.mean[1] * a.first[1]),
                column(&|a| a.mean[1] * a.first[0] - a.mean[0] * a.first[1]),
            ],
            variances: [column(&|a| a.variances[0]), column(&|a| a.variances[1])],
        }
    }

    /// Fills `exponents` with about −½ (x−μ)ᵀ (Σ+σ²I)⁻¹ (x−μ) and gives the least that counts.
    fn exponents(&self, exponents: &mut [f32], x: [f64; 2], noise: f64) -> f32 {
        let ([x, y], noise) = (x.map(|value| value as f32), noise as f32);
        let n = exponents.len();
        let [cos, sin] = [&self.first[0][..n], &self.first[1][..n]];
        let [mean_u, mean_v] = [&self.mean[0][..n], &self.mean[1][..n]];
        let [along, across] = [&self.variances[0][..n], &self.variances[1][..n]];
        for i in 0..n {
            let (u, v) = (x * cos[i] + y * sin[i] - mean_u[i], y * cos[i] - x * sin[i] - mean_v[i]);
            exponents[i] = -0.5 * (u * u / (along[i] + noise) + v * v / (across[i] + noise));
        }
        let mut lanes = [f32::NEG_INFINITY; 8];
        let (blocks, rest) = exponents.as_chunks::<8>();
        for block in blocks {
            lanes.iter_mut().zip(block).for_each(|(lane, &e)| *lane = if e > *lane { e } else { *lane });
        }
        let largest = lanes.iter().chain(rest).copied().fold(f32::NEG_INFINITY, f32::max);
        largest - NEGLIGIBLE as f32 - SLACK[0] + SLACK[1] * largest
    }
}

/// Memory for [`Mixture::at_with`].
#[derive(Debug, Default)]
struct Scratch {
    exponents: Vec<f32>,
    terms: Vec<Term>,
}

/// What a component that counts has to do with a point.
#[derive(Clone, Copy, Debug)]
struct Term {
    index: usize,
    /// −½ (x−μ)ᵀ Σ⁻¹ (x−μ).
    exponent: f64,
    /// 1 / |Σ|.
    precision: f64,
    /// Σ⁻¹ (x−μ) along the axes, times |Σ|.
    pull: [f64; 2],
}

/// Logarithm of the density and its gradient at a point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct At {
    pub log_density: f64,
    pub score: [f64; 2],
}

impl Mixture {
    /// Normalises the weights.
    pub fn new(mut components: Vec<Gaussian>) -> Self {
        let total: f64 = components.iter().map(|c| c.weight).sum();
        components.iter_mut().for_each(|c| c.weight /= total);
        let axes: Vec<Axes> = components.iter().map(Axes::new).collect();
        let rough = Rough::new(&axes);
        Self { components, axes, rough }
    }

    /// With normalised weights.
    pub fn components(&self) -> &[Gaussian] {
        &self.components
    }

    /// At `x`, with noise of standard deviation `sigma` added.
    pub fn at(&self, x: [f64; 2], sigma: f64) -> At {
        self.at_with(&mut Scratch::default(), x, sigma)
    }

    /// As [`Self::at`], in memory that is there already.
    fn at_with(&self, scratch: &mut Scratch, x: [f64; 2], sigma: f64) -> At {
        let noise = sigma * sigma;
        let Scratch { exponents, terms } = scratch;
        // A rough pass without branches or exponentials, over all; then exact ones over those that count.
        exponents.resize(self.axes.len(), 0.0);
        let least = self.rough.exponents(exponents, x, noise);
        terms.clear();
        let counting = exponents.iter().enumerate().filter(|(_, exponent)| **exponent >= least);
        terms.extend(counting.map(|(index, _)| self.axes[index].term(index, x, noise)));
        let largest = terms.iter().map(|term| term.exponent).fold(f64::NEG_INFINITY, f64::max);
        let (mut sum, mut gradient) = (0.0, [0.0; 2]);
        for term in terms.iter() {
            let axes = &self.axes[term.index];
            let share = axes.weight * term.precision.sqrt() * (term.exponent - largest).exp();
            let [u, v] = term.pull.map(|pull| share * pull * term.precision);
            sum += share;
            gradient[0] -= u * axes.first[0] - v * axes.first[1];
            gradient[1] -= u * axes.first[1] + v * axes.first[0];
        }
        At {
            log_density: largest + sum.ln() - std::f64::consts::TAU.ln(),
            score: gradient.map(|component| component / sum),
        }
    }

    /// The component that most probably made `x`.
    pub fn most_responsible(&self, x: [f64; 2]) -> usize {
        let log_share = |axes: &Axes| {
            let [u, v] = axes.along(x);
            let [a, b] = axes.variances;
            axes.weight.ln() - 0.5 * ((a * b).ln() + u * u / a + v * v / b)
        };
        let shares = self.axes.iter().map(log_share).enumerate();
        shares.max_by(|a, b| a.1.total_cmp(&b.1)).map_or(0, |(index, _)| index)
    }

    /// [`Self::at`] for many points: `x` `[N, 2]` and `sigma` `[N]` to log-densities `[N]` and scores `[N, 2]`, float64 on
    /// the CPU. Each point is computed by one thread: how many there are changes no bit.
    pub fn evaluate(&self, x: &Tensor, sigma: &Tensor) -> (Tensor, Tensor) {
        let (points, sigmas) = (points_of(x), numbers(sigma));
        let at: Vec<At> = (&points, &sigmas)
            .into_par_iter()
            .with_min_len(CHUNK)
            .map_init(Scratch::default, |scratch, (&point, &sigma)| self.at_with(scratch, point, sigma))
            .collect();
        let log_density: Vec<f64> = at.iter().map(|at| at.log_density).collect();
        let score: Vec<f64> = at.iter().flat_map(|at| at.score).collect();
        (Tensor::from_slice(&log_density), Tensor::from_slice(&score).reshape([-1, 2]))
    }

    /// `count` points, without noise, from torch's current CPU generator: float64 `[N, 2]`.
    pub fn draw(&self, count: i64) -> Tensor {
        let options = (Kind::Double, Device::Cpu);
        let (picks, normals) = (Tensor::rand([count], options), Tensor::randn([count, 2], options));
        let mut cumulative = 0.0;
        let bounds: Vec<f64> = self
            .axes
            .iter()
            .map(|axes| {
                cumulative += axes.weight;
                cumulative
            })
            .collect();
        let drawn = |(pick, normal): (f64, [f64; 2])| {
            let index = bounds.partition_point(|&bound| bound < pick).min(self.axes.len() - 1);
            let axes = &self.axes[index];
            let [u, v] = [normal[0] * axes.variances[0].sqrt(), normal[1] * axes.variances[1].sqrt()];
            [
                axes.mean[0] + u * axes.first[0] - v * axes.first[1],
                axes.mean[1] + u * axes.first[1] + v * axes.first[0],
            ]
        };
        let points: Vec<f64> = numbers(&picks).into_iter().zip(points_of(&normals)).flat_map(drawn).collect();
        Tensor::from_slice(&points).reshape([-1, 2])
    }
}

/// `[N, 2]` as points.
pub fn points_of(x: &Tensor) -> Vec<[f64; 2]> {
    numbers(x).as_chunks().0.to_vec()
}

/// All values, as float64.
pub fn numbers(x: &Tensor) -> Vec<f64> {
    let flat = x.detach().to_device(Device::Cpu).to_kind(Kind::Double).flatten(0, -1).contiguous();
    Vec::try_from(flat).expect("a flat tensor is a vector")
}
