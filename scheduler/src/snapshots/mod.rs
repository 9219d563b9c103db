//! Scores of a training's snapshots: which of them are due, each as an ordinary run of a spec, and what is written beside
//! them. A training knows nothing of it but that file, which its page shows.

mod place;

use std::{collections::BTreeMap, str::FromStr};

use fidelis_contract::{
    detectors::Metric,
    ids::RunId,
    result::{DetectorResult, RunResult},
    spec::{DetectorSpec, EngineSpec, FileRef, RunSpec, SpecError},
};
use serde::{Deserialize, Serialize};

pub use place::{Place, PlaceError};

/// What tells how far the training is.
pub const STATS: &str = "stats.jsonl";
const PREFIX: &str = "network-snapshot-";

/// What to measure, and how often: `fd@64000`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Every {
    pub metric: Metric,
    /// Images of the training between two scores.
    pub images: u64,
}

/// A request that cannot be met.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    #[error("`{0}` is no metric with its images: write it as `fd@64000`, with one of `{known}` in front", known = known())]
    Every(String),
    #[error(
        "spec field `engine`: snapshots are scored by runs of the engine `edm2`: name a spec of that one"
    )]
    Engine,
    #[error(
        "the spec `{name}` has no detector with a `reference` whose distance is `{metric}`: it has {has}"
    )]
    Metric { name: String, metric: &'static str, has: String },
    #[error(transparent)]
    Spec(#[from] SpecError),
}

fidelis_contract::usage_errors!(RequestError);

fn known() -> String {
    Metric::ALL.map(Metric::id).join("`, `")
}

impl FromStr for Every {
    type Err = RequestError;

    fn from_str(text: &str) -> Result<Self, RequestError> {
        let parsed = text.split_once('@').and_then(|(metric, images)| {
            let images = images.parse().ok().filter(|&images| images > 0)?;
            Some(Self { metric: Metric::find(metric)?, images })
        });
        parsed.ok_or_else(|| RequestError::Every(text.to_owned()))
    }
}

/// A moving average that training left.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// Its file's name.
    pub name: String,
    /// Thousands of images seen.
    pub kimg: u64,
    /// σ_rel, in thousandths.
    pub width: u64,
}

impl Snapshot {
    /// From a name such as `network-snapshot-0008388-0.050.safetensors`; `None` for the name of anything else.
    fn named(name: &str) -> Option<Self> {
        let numbers = name.strip_prefix(PREFIX)?;
        let stem = [".safetensors", ".pkl"].iter().find_map(|ending| numbers.strip_suffix(ending))?;
        let (kimg, width) = stem.split_once("-0.")?;
        let width = Some(width).filter(|width| width.len() == 3)?;
        Some(Self { name: name.to_owned(), kimg: kimg.parse().ok()?, width: width.parse().ok()? })
    }

    /// σ_rel.
    pub fn sigma_rel(&self) -> f64 {
        self.width as f64 / 1000.0
    }

    /// The run that scores it: `base` with it in the place of the main net.
    ///
    /// # Errors
    /// A base that is no run of a net.
    pub fn spec(&self, base: &RunSpec, net: FileRef) -> Result<RunSpec, RequestError> {
        let mut spec = base.clone();
        let EngineSpec::Edm2(model) = &mut spec.engine else { return Err(RequestError::Engine) };
        model.net = net;
        spec.name = format!("{}-{:07}-{:03}", base.name, self.kimg, self.width);
        spec.validate()?;
        Ok(spec)
    }
}

/// Those to score, in the order of their images: of each average the first one at or after each multiple of `images`, and
/// of a training that is done its last. Nets that saw no image are nobody's question.
pub fn due(names: &[String], (images, widths): (u64, &[f64]), is_done: bool) -> Vec<Snapshot> {
    let is_wanted = |snapshot: &Snapshot| {
        widths.is_empty() || widths.iter().any(|width| (width * 1000.0).round() as u64 == snapshot.width)
    };
    let mut averages: BTreeMap<u64, Vec<Snapshot>> = BTreeMap::new();
    for snapshot in names.iter().filter_map(|name| Snapshot::named(name)).filter(is_wanted) {
        averages.entry(snapshot.width).or_default().push(snapshot);
    }
    let mut due = Vec::new();
    for mut average in averages.into_values() {
        average.sort_by_key(|snapshot| snapshot.kimg);
        let (mut passed, last) = (0, average.len() - 1);
        for (i, snapshot) in average.into_iter().enumerate() {
            let multiple = snapshot.kimg * 1000 / images;
            if snapshot.kimg > 0 && (multiple > passed || (is_done && i == last)) {
                due.push(snapshot);
            }
            passed = passed.max(multiple);
        }
    }
    due.sort_by_key(|snapshot| (snapshot.kimg, snapshot.width));
    due
}

/// Whether a base spec measures what is asked for.
///
/// # Errors
/// It does not.
pub fn check(base: &RunSpec, metric: Metric) -> Result<(), RequestError> {
    if !matches!(base.engine, EngineSpec::Edm2(_)) {
        return Err(RequestError::Engine);
    }
    let of = |detector: &DetectorSpec| Metric::of(&detector.name);
    if base.detectors.iter().any(|detector| of(detector) == metric && detector.reference.is_some()) {
        return Ok(());
    }
    let has: Vec<String> = base
        .detectors
        .iter()
        .map(|detector| format!("`{}` of `{}`", of(detector).id(), detector.name))
        .collect();
    let has = if has.is_empty() { "no detector".to_owned() } else { has.join(", ") };
    Err(RequestError::Metric { name: base.name.clone(), metric: metric.id(), has })
}

/// A line of [`SCORES`](fidelis_contract::keys::SCORES).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Images that the net saw, to the thousand.
    pub images: u64,
    pub sigma_rel: f64,
    /// The file's name.
    pub snapshot: String,
    pub detector: String,
    pub metric: String,
    pub value: f64,
    /// Its standard error.
    pub sd: Option<f64>,
    /// Images behind the value.
    pub num_images: u64,
    pub run: RunId,
}

impl Score {
    /// What a run says of a snapshot: one for each detector of that metric.
    pub fn all(snapshot: &Snapshot, metric: Metric, result: &RunResult) -> Vec<Self> {
        let of = |(detector, found): (&String, &DetectorResult)| {
            let measured = found.headline().filter(|measured| measured.id == metric.id())?;
            Some(Self {
                images: snapshot.kimg * 1000,
                sigma_rel: snapshot.sigma_rel(),
                snapshot: snapshot.name.clone(),
                detector: detector.clone(),
                metric: measured.id.clone(),
                value: measured.value,
                sd: measured.sd,
                num_images: measured.num_images,
                run: result.run.clone(),
            })
        };
        result.detectors.iter().filter_map(of).collect()
    }

    /// For people.
    pub fn line(&self) -> String {
        let Self { snapshot, metric, detector, value, num_images, .. } = self;
        let label = Metric::find(metric).map_or(metric.as_str(), |metric| metric.label());
        let sd = self.sd.map_or(String::new(), |sd| format!(" ± {sd:.2}"));
        format!("{snapshot}  {label} ({detector}) {value:.2}{sd}, {num_images} images")
    }
}

/// The lines of that file with these among them, in the order of their images: what the same run said before is replaced, and
/// a line that is no score is dropped.
pub fn with_scores(lines: &[u8], new: &[Score]) -> String {
    let is_replaced = |old: &Score| {
        new.iter()
            .any(|new| (&new.snapshot, &new.detector, &new.run) == (&old.snapshot, &old.detector, &old.run))
    };
    let lines = String::from_utf8_lossy(lines);
    let old = lines.lines().filter_map(|line| serde_json::from_str(line).ok());
    let mut all: Vec<Score> = old.filter(|old| !is_replaced(old)).collect();
    all.extend_from_slice(new);
    all.sort_by(|a, b| (a.images, &a.snapshot, &a.detector).cmp(&(b.images, &b.snapshot, &b.detector)));
    all.iter().map(|score| serde_json::to_string(score).unwrap_or_default() + "\n").collect()
}

/// Whether the last line of `stats.jsonl` is that of the last step.
pub fn is_done(stats: &[u8]) -> bool {
    let lines = String::from_utf8_lossy(stats);
    let last =
        lines.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok()).next_back();
    let step = |name: &str| last.as_ref().and_then(|last| last[name].as_u64());
    step("step").is_some() && step("step") >= step("steps")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_name_a_distance_and_a_number_of_images() {
        let parsed: Every = "fid@8388608".parse().unwrap();
        assert_eq!(parsed, Every { metric: Metric::Fid, images: 8_388_608 });
        for odd in ["fd", "fd@0", "fd@many", "kid@1000", "@1000"] {
            let error = odd.parse::<Every>().unwrap_err().to_string();
            assert!(
                error.contains(odd) && error.contains("fd@64000") && error.contains("fd_dinov2"),
                "{error}"
            );
        }
    }

    #[test]
    fn the_first_snapshot_after_each_multiple_is_due_and_at_the_end_the_last() {
        let names: Vec<String> = [0, 16, 33, 48, 64, 80]
            .iter()
            .flat_map(|kimg| {
                ["0.050", "0.100"].map(|std| format!("network-snapshot-{kimg:07}-{std}.safetensors"))
            })
            .chain(
                ["training-state-0000080.safetensors", "stats.jsonl", "phema-0000064-0.050.safetensors"]
                    .map(str::to_owned),
            )
            .collect();
        let of = |widths: &[f64], images, is_done| -> Vec<(u64, u64)> {
            due(&names, (images, widths), is_done).iter().map(|s| (s.kimg, s.width)).collect()
        };
        assert_eq!(of(&[0.05], 32_000, false), [(33, 50), (64, 50)]);
        assert_eq!(of(&[0.05], 32_000, true), [(33, 50), (64, 50), (80, 50)]);
        assert_eq!(of(&[], 64_000, true), [(64, 50), (64, 100), (80, 50), (80, 100)]);
        assert_eq!(of(&[0.2], 1000, true), []);
        assert_eq!(of(&[0.1], 1, false).len(), 5, "all but the untrained");
    }

    fn score(images: u64, value: f64) -> Score {
        let run = "x-0123456789abcdef".parse().unwrap();
        let snapshot = format!("network-snapshot-{:07}-0.050.safetensors", images / 1000);
        let (detector, metric) = ("fashion-cnn".to_owned(), "fd".to_owned());
        Score { images, sigma_rel: 0.05, snapshot, detector, metric, value, sd: None, num_images: 100, run }
    }

    #[test]
    fn scores_are_told_once_and_in_order() {
        let first = with_scores(b"half a li", &[score(64_000, 2.0)]);
        let both = with_scores(first.as_bytes(), &[score(32_000, 4.0)]);
        let again = with_scores(both.as_bytes(), &[score(64_000, 3.0)]);
        let told: Vec<Score> = again.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(told, [score(32_000, 4.0), score(64_000, 3.0)]);
    }

    #[test]
    fn a_training_is_done_with_its_last_step() {
        let of =
            |last: u64| format!("{{\"step\":5,\"steps\":40}}\n{{\"step\":{last},\"steps\":40}}\nhalf a li");
        assert!(is_done(of(40).as_bytes()) && !is_done(of(35).as_bytes()) && !is_done(b""));
    }
}
