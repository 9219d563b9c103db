//! Several metrics of the same images at once: what they share is computed once.

use crate::authenticity::authenticity;
use crate::balls::{Hits, Radii, TwoSets, hits};
use crate::density_coverage::{self, coverage, density};
use crate::duplicates::{self, duplicates};
use crate::fid_infinity::fid_infinity;
use crate::inception_score::{self, LastLayer, inception_score};
use crate::kid::{self, kid, kid_full};
use crate::measured::Measured;
use crate::neighbours::Neighbours;
use crate::per_class::per_class;
use crate::precision_recall::{self, precision, recall};
use crate::{FeatureSet, Gaussian, Metric, MetricError, Needs};

/// Of choices that no other seed is asked for: torch-fidelity's.
pub const DEFAULT_SEED: u32 = 2020;

/// What metrics are computed from.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// Features of the images that are measured.
    pub ours: &'a FeatureSet,
    /// Features of the real ones.
    pub reference: Option<&'a FeatureSet>,
    /// Statistics of the real ones.
    pub statistics: Option<&'a Gaussian>,
    /// Inception's last layer.
    pub last_layer: Option<&'a LastLayer>,
    /// Neighbours that make balls, where not [`precision_recall::K`] and [`density_coverage::K`].
    pub k: Option<usize>,
    /// Of subsets and shuffles.
    pub seed: u32,
}

/// What several metrics share.
struct Shared {
    k: [usize; 2],
    ours: Option<Neighbours>,
    reference: Option<Neighbours>,
    hits: Option<Hits>,
}

impl Inputs<'_> {
    /// The metrics, in their order; those that are Fréchet distances of all images are [`super::frechet`]'s and not here.
    ///
    /// # Errors
    /// What one of them cannot be computed from.
    pub fn measure(&self, metrics: &[Metric]) -> Result<Vec<Measured>, MetricError> {
        let shared = self.shared(metrics)?;
        metrics.iter().map(|&metric| self.one(metric, &shared)).collect()
    }

    fn shared(&self, metrics: &[Metric]) -> Result<Shared, MetricError> {
        use Metric::{Authenticity, Coverage, Density, Duplicates, Precision, Recall};
        let asks = |any: &[Metric]| metrics.iter().any(|metric| any.contains(metric));
        let k = [self.k.unwrap_or(precision_recall::K), self.k.unwrap_or(density_coverage::K)];
        let most = |needs: &[(bool, usize)]| needs.iter().filter(|(asked, _)| *asked).map(|(_, k)| *k).max();
        let ours = most(&[(asks(&[Recall]), k[0]), (asks(&[Duplicates]), 1)]);
        let ours = ours.map(|k| neighbours(self.ours, k)).transpose()?;
        let in_balls =
            [(asks(&[Precision]), k[0]), (asks(&[Density, Coverage]), k[1]), (asks(&[Authenticity]), 1)];
        let crossing = most(&in_balls).is_some() || asks(&[Recall]);
        if !crossing {
            return Ok(Shared { k, ours, reference: None, hits: None });
        }
        let sets = self.sets()?;
        let reference = most(&in_balls).map(|k| neighbours(sets.reference, k)).transpose()?;
        let around = |of: &Option<Neighbours>, asked: bool, k: usize| {
            of.as_ref().filter(|_| asked).map(|neighbours| neighbours.squared_radii(k))
        };
        let radii = Radii {
            ours: around(&ours, asks(&[Recall]), k[0]),
            reference: around(&reference, asks(&[Precision]), k[0]),
            open_reference: around(&reference, asks(&[Density, Coverage]), k[1]),
        };
        Ok(Shared { k, ours, hits: Some(hits(sets, &radii)), reference })
    }

    fn one(&self, metric: Metric, shared: &Shared) -> Result<Measured, MetricError> {
        let hits = || shared.hits.as_ref().ok_or(MetricError::NoReference);
        let measured = |value: f64| Measured::new(metric, value, self.ours.num_rows() as u64);
        let [k, k_dense] = shared.k;
        let found = match metric {
            Metric::Fid | Metric::FdDinov2 | Metric::Fd => return Err(MetricError::NoReference),
            Metric::FidInfinity => return self.fid_infinity(),
            Metric::FdPerClass => return self.per_class(),
            Metric::Kid => {
                let found = kid(self.sets()?, self.seed)?;
                let subsets = measured(found.value).with_sd(found.sd).with("subsets", kid::NUM_SUBSETS);
                subsets.with("subset_size", found.subset_size).with("seed", self.seed)
            }
            Metric::KidFull => {
                let (value, sd) = kid_full(self.sets()?)?;
                measured(value).with_sd(sd)
            }
            Metric::Precision => measured(precision(hits()?)).with("k", k),
            Metric::Recall => measured(recall(hits()?)).with("k", k),
            Metric::Density => measured(density(hits()?, k_dense)).with("k", k_dense),
            Metric::Coverage => measured(coverage(hits()?)).with("k", k_dense),
            Metric::InceptionScore => {
                let layer = self.last_layer.ok_or(MetricError::NoLastLayer)?;
                let (value, sd) = inception_score(self.ours, layer, self.seed)?;
                let splits = inception_score::NUM_SPLITS.min(self.ours.num_rows());
                measured(value).with_sd(sd).with("splits", splits).with("seed", self.seed)
            }
            Metric::Authenticity => {
                let reference = shared.reference.as_ref().ok_or(MetricError::NoReference)?;
                measured(authenticity(hits()?, reference))
            }
            Metric::Duplicates => {
                let neighbours = shared.ours.as_ref().ok_or(MetricError::NoReference)?;
                let found = duplicates(self.ours, neighbours);
                let examples: Vec<Vec<u64>> = found.examples.iter().map(|pair| pair.to_vec()).collect();
                measured(found.value).with("tolerance", duplicates::TOLERANCE).with("examples", examples)
            }
        };
        let reference = self.reference.filter(|_| metric.entry().reference != Needs::Nothing);
        Ok(Measured { reference_images: reference.map(|set| set.num_rows() as u64), ..found })
    }

    fn fid_infinity(&self) -> Result<Measured, MetricError> {
        let metric = Metric::FidInfinity;
        let statistics = self.statistics.ok_or(MetricError::NoReference)?;
        let found = fid_infinity(self.ours, statistics, self.seed)?;
        let points: Vec<_> = found.points.iter().map(|&(n, value)| serde_json::json!([n, value])).collect();
        let measured = Measured::new(metric, found.value, self.ours.num_rows() as u64).with_sd(found.sd);
        let reference_images = Some(statistics.num_images()).filter(|&n| n > 0);
        let measured = Measured { interval: Some(found.interval), reference_images, ..measured };
        Ok(measured.with("seed", self.seed).with("points", points))
    }

    fn per_class(&self) -> Result<Measured, MetricError> {
        let sets = self.sets()?;
        let found = per_class(sets)?;
        let classes = found
            .classes
            .iter()
            .map(|of| (of.class.to_string(), serde_json::json!({"value": of.value, "n": of.n})));
        let classes: serde_json::Map<_, _> = classes.collect();
        let n = found.classes.iter().map(|of| of.n).sum();
        let measured = Measured::new(Metric::FdPerClass, found.mean(), n).with("classes", classes);
        let measured = measured.with("classes_left_out", found.num_left_out);
        Ok(Measured { reference_images: Some(sets.reference.num_rows() as u64), ..measured })
    }

    fn sets(&self) -> Result<TwoSets<'_>, MetricError> {
        let sets = self.reference.map(|reference| TwoSets { ours: self.ours, reference });
        let sets = sets.ok_or(MetricError::NoReference)?;
        sets.check(2).map(|()| sets)
    }
}

fn neighbours(set: &FeatureSet, k: usize) -> Result<Neighbours, MetricError> {
    let n = set.num_rows();
    if k == 0 || k >= n {
        return Err(MetricError::Neighbours { k, n });
    }
    Ok(Neighbours::of(set, k))
}
