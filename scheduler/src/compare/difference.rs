//! The difference between a metric of two runs, by a delete-block jackknife.

use fidelis_contract::outcome::{Class, Outcome};
use fidelis_metrics::registry::Better;
use fidelis_metrics::{Gaussian, MetricError, Moments, jackknife, student};

/// A metric of a run, and what it would be without each of its blocks of seeds.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// Of all images.
    pub value: f64,
    /// Of all but one block each, in the order of the seeds: B of them, B ≥ 2.
    pub without: Vec<f64>,
}

impl Estimate {
    /// The Fréchet distance to `reference` of the blocks of a run.
    ///
    /// # Errors
    /// Blocks that have none.
    pub fn of_distance(blocks: &[Moments], reference: &Gaussian) -> Result<Self, MetricError> {
        let total = Moments::merged(blocks).ok_or(MetricError::TooFew { n: 0, needed: 2 })?;
        let ours = Gaussian::new(&total.statistics()?)?;
        let jackknife::Estimate { distance, without } =
            jackknife::estimate(&ours, (&total, blocks), reference)?;
        Ok(Self { value: distance.value, without })
    }

    /// Its standard error.
    pub fn sd(&self) -> f64 {
        jackknife::spread(&self.without)
    }
}

/// How two runs relate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Design {
    /// Block by block of the same seeds.
    Paired,
    /// Of other seeds: the errors of both add up.
    Independent,
}

/// Nothing can be compared.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CompareError {
    /// No error bar without blocks.
    #[error("a run of `{0}` blocks of seeds has no error bar: compare runs of at least 4 images")]
    TooFewBlocks(usize),
    /// Runs that are said to be paired.
    #[error("`{baseline}` blocks of seeds against `{candidate}`: runs of the same seeds are cut alike")]
    Blocks {
        /// Of the baseline.
        baseline: usize,
        /// Of the other.
        candidate: usize,
    },
    /// A metric that is no number.
    #[error("a metric came out as `{0}`: reduce both runs again")]
    NotFinite(f64),
}

impl Outcome for CompareError {
    fn class(&self) -> Class {
        Class::Usage
    }
}

/// How much worse the candidate is than its baseline; negative where it is better.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// The baseline's metric.
    pub baseline: f64,
    /// The candidate's.
    pub candidate: f64,
    /// candidate − baseline where lower is better, else baseline − candidate.
    pub worse_by: f64,
    /// Standard error of that.
    pub sd: f64,
    /// Degrees of freedom behind the standard error.
    pub degrees: usize,
    /// How the runs relate.
    pub design: Design,
}

impl Difference {
    /// Of two metrics of the same kind.
    ///
    /// # Errors
    /// See [`CompareError`].
    pub fn new(
        baseline: &Estimate,
        candidate: &Estimate,
        design: Design,
        better: Better,
    ) -> Result<Self, CompareError> {
        let counts = [baseline.without.len(), candidate.without.len()];
        if let Some(&count) = counts.iter().find(|count| **count < 2) {
            return Err(CompareError::TooFewBlocks(count));
        }
        let numbers = [baseline, candidate].into_iter().flat_map(|of| of.without.iter().chain([&of.value]));
        if let Some(&number) = numbers.into_iter().find(|number| !number.is_finite()) {
            return Err(CompareError::NotFinite(number));
        }
        let (sd, degrees) = match design {
            Design::Paired if counts[0] != counts[1] => {
                return Err(CompareError::Blocks { baseline: counts[0], candidate: counts[1] });
            }
            Design::Paired => {
                let pairs = candidate.without.iter().zip(&baseline.without);
                let differences: Vec<f64> = pairs.map(|(candidate, baseline)| candidate - baseline).collect();
                (jackknife::spread(&differences), counts[0] - 1)
            }
            Design::Independent => welch([baseline.sd(), candidate.sd()], counts),
        };
        let increase = candidate.value - baseline.value;
        let worse_by = if better == Better::Lower { increase } else { -increase };
        Ok(Self { baseline: baseline.value, candidate: candidate.value, worse_by, sd, degrees, design })
    }

    /// Where the true difference lies in 95 of 100 comparisons.
    pub fn interval(&self) -> [f64; 2] {
        let reach = student::two_sided_95(self.degrees) * self.sd;
        [self.worse_by - reach, self.worse_by + reach]
    }

    /// It is worse by more than this in 95 of 100 comparisons.
    pub fn at_least(&self) -> f64 {
        self.worse_by - student::one_sided_95(self.degrees) * self.sd
    }

    /// It is worse by less than this in 95 of 100 comparisons.
    pub fn at_most(&self) -> f64 {
        self.worse_by + student::one_sided_95(self.degrees) * self.sd
    }

    /// The smallest difference that a comparison of this precision finds four times in five.
    pub fn detectable(&self) -> f64 {
        (student::one_sided_95(self.degrees) + student::one_sided_80(self.degrees)) * self.sd
    }
}

/// √(s₁² + s₂²), and Welch and Satterthwaite's degrees of freedom, rounded down.
fn welch(sds: [f64; 2], counts: [usize; 2]) -> (f64, usize) {
    let [a, b] = sds.map(|sd| sd * sd);
    let [of_a, of_b] = counts.map(|count| (count - 1) as f64);
    let degrees = (a + b).powi(2) / (a * a / of_a + b * b / of_b);
    let most = counts[0] + counts[1] - 2;
    // Of two errors of 0 nothing is estimated.
    let degrees = if degrees.is_finite() { (degrees as usize).clamp(1, most) } else { most };
    ((a + b).sqrt(), degrees)
}

#[cfg(test)]
mod tests;
