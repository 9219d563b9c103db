//! Is the distance worse? Seed by seed against the baseline's images, and again on a block of other seeds before any
//! alarm.

use std::collections::BTreeMap;

use fidelis_contract::{baseline::Figure, detectors::Metric, seeds::Seeds};
use fidelis_metrics::Gaussian;
use serde::Serialize;

use super::{RegressError, sample::Sample};
use crate::compare::{Comparison, Design, Rule, Verdict, compare};

/// A block of seeds, the baseline's images and tonight's.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Look {
    /// Which seeds.
    pub seeds: Seeds,
    /// Images of either side.
    pub num_images: usize,
    /// The baseline's distance, by tonight's arithmetic.
    pub baseline: f64,
    /// What was recorded when it was accepted.
    pub recorded: Option<f64>,
    /// Tonight's.
    pub tonight: f64,
    /// Tonight's − baseline's.
    pub worse_by: f64,
    /// Standard error of that.
    pub sd: f64,
    /// Where the true difference lies in 95 of 100 comparisons.
    pub interval: [f64; 2],
    /// The smallest difference that a look of this precision finds four times in five.
    pub detectable: f64,
    /// Of the images, `paired` where they share their seeds.
    pub design: &'static str,
    /// What it says by itself.
    pub verdict: Verdict,
}

/// The statistical gate of one detector.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StatisticsGate {
    /// `fid`, `fd_dinov2` or `fd`.
    pub metric: &'static str,
    /// Differences within this share of the baseline do not matter.
    pub band: f64,
    /// The first, and where that raised an alarm the one that was to confirm it.
    pub looks: Vec<Look>,
    /// Whether the recorded distance comes out of the baseline's features again.
    pub same_arithmetic: bool,
    /// What all of it says.
    pub verdict: Verdict,
}

/// The largest relative difference between a distance and what it was recorded as: rounding of eigenvalues.
const ROUNDING: f64 = 1e-9;

/// What is compared with.
#[derive(Clone, Copy, Debug)]
pub struct Against<'a> {
    /// The baseline's images of a block.
    pub sample: &'a Sample,
    /// Which seeds those are.
    pub seeds: &'a Seeds,
    /// What they were recorded as.
    pub figures: &'a BTreeMap<String, Figure>,
}

/// Looks at a block: of each detector that has a reference.
///
/// # Errors
/// Features that have no distance.
pub fn look(
    against: Against<'_>,
    tonight: &Sample,
    references: &BTreeMap<String, Gaussian>,
    rule: Rule,
) -> Result<BTreeMap<String, Look>, RegressError> {
    let mut looks = BTreeMap::new();
    for (detector, reference) in references {
        let compared = compare(against.sample.of(detector)?, tonight.of(detector)?, reference);
        let failed = |source| RegressError::Sets { detector: detector.clone(), source };
        let Comparison { difference, num_images, .. } = compared.map_err(failed)?;
        let verdict = Verdict::of(&difference, rule);
        let look = Look {
            seeds: against.seeds.clone(),
            num_images: num_images[1],
            baseline: difference.baseline,
            recorded: against.figures.get(detector).map(|figure| figure.value),
            tonight: difference.candidate,
            worse_by: difference.worse_by,
            sd: difference.sd,
            interval: difference.interval(),
            detectable: difference.detectable(),
            design: if difference.design == Design::Paired { "paired" } else { "independent" },
            verdict,
        };
        looks.insert(detector.clone(), look);
    }
    Ok(looks)
}

impl StatisticsGate {
    /// After the first look.
    pub fn new(detector: &str, first: Look, rule: Rule) -> Self {
        let (verdict, same) = (first.verdict, first.is_as_recorded());
        let (metric, band) = (Metric::of(detector).id(), rule.band);
        Self { metric, band, looks: vec![first], same_arithmetic: same, verdict }
    }

    /// Whether other seeds are to be asked.
    pub fn needs_confirming(&self) -> bool {
        self.verdict == Verdict::Regressed && self.looks.len() == 1
    }

    /// After a look at other seeds; `None` where the baseline has none.
    pub fn confirm(&mut self, again: Option<Look>) {
        let verdict = again.as_ref().map_or(Verdict::Nothing, |look| look.verdict);
        self.verdict = self.verdict.confirmed_by(verdict);
        self.same_arithmetic &= again.as_ref().is_none_or(Look::is_as_recorded);
        self.looks.extend(again);
    }

    /// Images of either side behind the verdict.
    pub fn num_images(&self) -> usize {
        self.looks.iter().map(|look| look.num_images).sum()
    }
}

impl Look {
    fn is_as_recorded(&self) -> bool {
        self.recorded.is_none_or(|recorded| (self.baseline - recorded).abs() <= ROUNDING * recorded.abs())
    }
}

#[cfg(test)]
mod tests;
