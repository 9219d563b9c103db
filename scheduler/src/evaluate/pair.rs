//! `fidelis compare`: the distances of two runs, image by image where they share seeds.

use fidelis_contract::detectors::Metric;
use fidelis_metrics::Gaussian;
use serde_json::{Value, json};

use super::given::{Features, Given};
use super::{EvaluateError, distance};
use crate::compare::{Comparison, Design, Rule, Verdict, compare};

/// What `fidelis compare` is asked.
#[derive(Clone, Debug)]
pub struct CompareRequest {
    /// What is compared with.
    pub baseline: Given,
    /// What is judged.
    pub candidate: Given,
    /// Features or statistics of the real images.
    pub reference: Given,
    /// Whose features they are, where the files do not say.
    pub detector: Option<String>,
    /// When a difference counts.
    pub rule: Rule,
}

/// A comparison, and what is concluded from it.
#[derive(Clone, Debug, PartialEq)]
pub struct Compared {
    /// Whose distances they are: `fid`, `fd_dinov2` or `fd`.
    pub metric: Metric,
    /// The difference.
    pub comparison: Comparison,
    /// The rule that was applied.
    pub rule: Rule,
    /// What it says.
    pub verdict: Verdict,
}

/// Compares two runs, or two files of features.
///
/// # Errors
/// See [`EvaluateError`].
pub fn pair(request: &CompareRequest) -> Result<Compared, EvaluateError> {
    let baseline = features(&request.baseline)?;
    let candidate = features(&request.candidate)?;
    let asked = request.detector.as_deref();
    let implied = asked.or(baseline.detector.as_deref()).or(candidate.detector.as_deref());
    let statistics = request.reference.summary(implied, false)?.statistics;
    let sides = [
        (&request.baseline, baseline.detector.as_deref()),
        (&request.candidate, candidate.detector.as_deref()),
        (&request.reference, statistics.detector.as_deref()),
    ];
    let detector = distance::agreed(asked, &sides)?;
    let reference = Gaussian::new(&statistics).map_err(EvaluateError::metric(request.reference.path()))?;
    let compared = compare(&baseline.set, &candidate.set, &reference);
    let comparison = compared.map_err(|source| EvaluateError::Compare {
        baseline: request.baseline.path().to_owned(),
        candidate: request.candidate.path().to_owned(),
        source,
    })?;
    let verdict = Verdict::of(&comparison.difference, request.rule);
    Ok(Compared { metric: detector.map_or(Metric::Fd, Metric::of), comparison, rule: request.rule, verdict })
}

fn features(side: &Given) -> Result<Features<'_>, EvaluateError> {
    let refused = || EvaluateError::NeedsFeatures { metric: "compare", path: side.path().to_owned() };
    side.features()?.ok_or_else(refused)
}

impl Compared {
    /// As `--json` prints it.
    pub fn to_json(&self) -> Value {
        let Comparison { difference, num_images, identity } = &self.comparison;
        let design = match difference.design {
            Design::Paired => "paired",
            Design::Independent => "independent",
        };
        json!({
            "metric": self.metric.id(),
            "verdict": self.verdict.to_string(),
            "baseline": difference.baseline,
            "candidate": difference.candidate,
            "worse_by": difference.worse_by,
            "sd": difference.sd,
            "interval": difference.interval(),
            "at_least": difference.at_least(),
            "at_most": difference.at_most(),
            "detectable": difference.detectable(),
            "band": self.rule.band,
            "design": design,
            "num_images": num_images,
            "num_other": identity.map(|identity| identity.num_other),
            "largest_difference": identity.map(|identity| identity.largest),
        })
    }
}
