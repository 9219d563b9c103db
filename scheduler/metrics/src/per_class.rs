//! Fréchet distances class by class: which classes a model makes badly. Classes with no more images than features on
//! either side are left out, since their distances would tell of the number of images alone.

use std::collections::BTreeMap;

use rayon::prelude::*;

use crate::balls::TwoSets;
use crate::frechet::Gaussian;
use crate::moments::Moments;
use crate::{FeatureSet, MetricError};

/// The distance of one class.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClassDistance {
    /// Which class.
    pub class: i64,
    /// Fréchet distance between its images of either set.
    pub value: f64,
    /// Images of it among ours.
    pub n: u64,
}

/// Distances by class.
#[derive(Clone, Debug, PartialEq)]
pub struct PerClass {
    /// In the order of the classes; never empty.
    pub classes: Vec<ClassDistance>,
    /// Classes of ours that are left out.
    pub num_left_out: usize,
}

impl PerClass {
    /// Mean of the distances.
    pub fn mean(&self) -> f64 {
        self.classes.iter().map(|class| class.value).sum::<f64>() / self.classes.len() as f64
    }
}

/// The distance of every class that has more than D images in both sets; images without a class count for none.
///
/// # Errors
/// Sets whose classes are not known, or without any class that is large enough.
pub fn per_class(sets: TwoSets<'_>) -> Result<PerClass, MetricError> {
    sets.check(2)?;
    let (ours, reference) = (by_class(sets.ours)?, by_class(sets.reference)?);
    let is_enough = |rows: &&Vec<u32>| rows.len() > sets.ours.dim();
    let both: Vec<(i64, &Vec<u32>, &Vec<u32>)> = (ours.iter().filter(|(_, rows)| is_enough(rows)))
        .filter_map(|(&class, rows)| Some((class, rows, reference.get(&class).filter(is_enough)?)))
        .collect();
    if both.is_empty() {
        return Err(MetricError::SmallClasses { dim: sets.ours.dim() });
    }
    let gaussian = |set: &FeatureSet, rows: &[u32]| -> Result<Gaussian, MetricError> {
        Ok(Gaussian::new(&Moments::of(&set.gathered(rows), set.dim())?.statistics()?)?)
    };
    let distance = |&(class, x, y): &(i64, &Vec<u32>, &Vec<u32>)| {
        let value = gaussian(sets.ours, x)?.distance(&gaussian(sets.reference, y)?)?.value;
        Ok(ClassDistance { class, value, n: x.len() as u64 })
    };
    let classes: Vec<ClassDistance> = both.par_iter().map(distance).collect::<Result<_, MetricError>>()?;
    Ok(PerClass { num_left_out: ours.len() - classes.len(), classes })
}

fn by_class(set: &FeatureSet) -> Result<BTreeMap<i64, Vec<u32>>, MetricError> {
    let labels = set.labels().ok_or(MetricError::NoLabels)?;
    let mut rows: BTreeMap<i64, Vec<u32>> = BTreeMap::new();
    for (row, &label) in labels.iter().enumerate().filter(|(_, label)| **label >= 0) {
        rows.entry(label).or_default().push(row as u32);
    }
    Ok(rows)
}
