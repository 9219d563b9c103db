//! Are two runs of the same seeds the same images? What a distance cannot see: a detector's resize that changed, labels
//! shifted by one, noise of another mode, all leave features that are not the same, image by image.

use fidelis_metrics::FeatureSet;

/// How far the features of the same seeds are apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Identity {
    /// Images that were compared.
    pub num_images: usize,
    /// Images of which any feature has other bits.
    pub num_other: usize,
    /// The first of them, by its row.
    pub first_other: Option<usize>,
    /// The largest difference of a feature, by the largest magnitude of the baseline's: 1e-6 is rounding.
    pub largest: f64,
}

impl Identity {
    /// Of two sets of the same images in the same order, of as many features each.
    pub fn of(baseline: &FeatureSet, candidate: &FeatureSet) -> Self {
        let num_images = baseline.num_rows().min(candidate.num_rows());
        let mut identity = Self { num_images, num_other: 0, first_other: None, largest: 0.0 };
        let mut magnitude = 0.0_f64;
        for row in 0..num_images {
            let (ours, theirs) = (baseline.row(row), candidate.row(row));
            let is_other = ours.iter().zip(theirs).any(|(a, b)| a.to_bits() != b.to_bits());
            identity.num_other += usize::from(is_other);
            identity.first_other = identity.first_other.or(is_other.then_some(row));
            for (&a, &b) in ours.iter().zip(theirs) {
                magnitude = magnitude.max(f64::from(a).abs());
                identity.largest = identity.largest.max((f64::from(a) - f64::from(b)).abs());
            }
        }
        // Features that are 0 throughout are far from any others.
        if identity.largest > 0.0 {
            identity.largest /= magnitude;
        }
        identity
    }

    /// Whether every bit is the same.
    pub fn is_exact(&self) -> bool {
        self.num_other == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bit_is_seen() {
        let set = |values: Vec<f32>| FeatureSet::of(values, 2).unwrap();
        let ours = set(vec![1.0, -4.0, 2.0, 3.0, 0.0, 1.0]);
        let same = Identity::of(&ours, &ours);
        assert!(same.is_exact() && same.largest == 0.0 && same.num_images == 3, "{same:?}");
        let next = set(vec![1.0, -4.0, 2.0, 3.0_f32.next_up(), 0.0, 1.0]);
        let other = Identity::of(&ours, &next);
        assert!(!other.is_exact() && other.num_other == 1 && other.first_other == Some(1), "{other:?}");
        assert!((other.largest - f64::from(f32::EPSILON) * 2.0 / 4.0).abs() < 1e-12, "{other:?}");
        let far = Identity::of(&set(vec![0.0; 2]), &set(vec![1.0; 2]));
        assert_eq!((far.num_other, far.largest), (1, f64::INFINITY));
    }
}
