//! Are the images of the same seeds the same? What a distance cannot see, a few hundred images show: labels shifted by
//! one, noise of another mode, a detector that resizes otherwise.

use std::collections::BTreeMap;

use fidelis_contract::{
    baseline::{Bound, ChunkNoise},
    text_enum,
};
use fidelis_metrics::{FeatureSet, MetricError};
use serde::Serialize;

use super::sample::Sample;
use crate::compare::Identity;

text_enum! {
    /// What the images say.
    Sameness: "sameness" {
        /// Every bit.
        Same = "same",
        /// Apart by no more than the bound.
        Within = "within",
        /// Noise, latents or features are other ones.
        Changed = "changed",
        /// Other images were to be expected.
        NotJudged = "not-judged",
    }
}

/// How far some tensors of the same images are apart.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Apart {
    /// Images of which any bit differs.
    pub num_other: usize,
    /// After how many images the first is seen.
    pub seen_at: Option<usize>,
    /// The largest difference, as a share of the baseline's largest magnitude; `null` where that is 0.
    pub largest: f64,
    /// What counts as rounding.
    pub bound: f64,
}

/// The identity gate.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct IdentityGate {
    /// What is concluded.
    pub verdict: Sameness,
    /// Images that were compared.
    pub num_images: usize,
    /// Whether every chunk's initial noise has the baseline's digest.
    pub same_noise: bool,
    /// Where latents are kept.
    pub latents: Option<Apart>,
    /// By detector.
    pub features: BTreeMap<String, Apart>,
}

impl IdentityGate {
    /// Compares tonight's first images with the baseline's.
    ///
    /// # Errors
    /// Latents or features of other shapes.
    pub fn of(
        (baseline, noise): (&Sample, &[ChunkNoise]),
        tonight: &Sample,
        bound: Bound,
    ) -> Result<Self, MetricError> {
        let latents = match (&baseline.latents, &tonight.latents) {
            (Some(theirs), Some(ours)) => Some(apart(theirs, ours, bound.latents)?),
            _ => None,
        };
        let mut features = BTreeMap::new();
        for (detector, ours) in &tonight.features {
            if let Some(theirs) = baseline.features.get(detector) {
                features.insert(detector.clone(), apart(theirs, ours, bound.features)?);
            }
        }
        let num_images = tonight.features.values().map(FeatureSet::num_rows).next();
        let num_images = num_images.or(tonight.latents.as_ref().map(FeatureSet::num_rows)).unwrap_or(0);
        let same_noise = tonight.noise.iter().all(|chunk| noise.contains(chunk));
        let mut gate = Self { verdict: Sameness::Changed, num_images, same_noise, latents, features };
        gate.verdict = gate.judged();
        Ok(gate)
    }

    fn judged(&self) -> Sameness {
        let all = || self.latents.iter().chain(self.features.values());
        match self.same_noise {
            true if all().all(|apart| apart.num_other == 0) => Sameness::Same,
            true if all().all(|apart| apart.largest <= apart.bound) => Sameness::Within,
            _ => Sameness::Changed,
        }
    }

    /// After how many images it is seen that they are others.
    pub fn seen_at(&self) -> Option<usize> {
        let noise = (!self.same_noise).then_some(1);
        let all = self.latents.iter().chain(self.features.values());
        all.filter_map(|apart| apart.seen_at).chain(noise).min()
    }
}

fn apart(baseline: &FeatureSet, tonight: &FeatureSet, bound: f64) -> Result<Apart, MetricError> {
    if baseline.dim() != tonight.dim() {
        return Err(MetricError::Width { expected: baseline.dim(), got: tonight.dim() });
    }
    let Identity { num_other, first_other, largest, .. } = Identity::of(baseline, tonight);
    Ok(Apart { num_other, seen_at: first_other.map(|row| row + 1), largest, bound })
}

#[cfg(test)]
mod tests {
    use fidelis_contract::ids::Digest;

    use super::*;

    fn sample(shift: f32, noise: u8) -> Sample {
        let set = |shift: f32| FeatureSet::of(vec![1.0, 2.0, 4.0, 3.0 + shift], 2).unwrap();
        Sample {
            features: [("own".to_owned(), set(shift))].into(),
            latents: Some(set(0.0)),
            noise: vec![ChunkNoise { seeds: "0-1".parse().unwrap(), sha256: Digest([noise; 32]) }],
            ..Sample::default()
        }
    }

    #[test]
    fn images_are_the_same_within_rounding_or_changed() {
        let bound = Bound { latents: 1e-3, features: 1e-3 };
        let baseline = sample(0.0, 0);
        let gate = |tonight| IdentityGate::of((&baseline, &baseline.noise), &tonight, bound).unwrap();
        let same = gate(sample(0.0, 0));
        assert_eq!((same.verdict, same.num_images, same.seen_at()), (Sameness::Same, 2, None));
        // Of the largest magnitude, 4.
        let within = gate(sample(0.0039, 0));
        assert_eq!((within.verdict, within.seen_at()), (Sameness::Within, Some(2)), "{within:?}");
        let changed = gate(sample(0.0041, 0));
        assert_eq!(changed.verdict, Sameness::Changed);
        assert_eq!(changed.features["own"].num_other, 1);
        let noise = gate(sample(0.0, 1));
        assert_eq!((noise.verdict, noise.seen_at()), (Sameness::Changed, Some(1)), "{noise:?}");
        let wide = Sample {
            features: [("own".to_owned(), FeatureSet::of(vec![0.0; 6], 3).unwrap())].into(),
            ..Sample::default()
        };
        assert!(IdentityGate::of((&baseline, &[]), &wide, bound).is_err());
    }
}
