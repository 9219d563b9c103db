//! The same run on disjoint seeds: how much of a metric is chance.

use fidelis_contract::{
    result::{Measured, RunResult},
    spec::{RunSpec, SpecError},
};
use fidelis_metrics::student;
use serde_json::{Map, Value, json};

/// A metric of some repeats, of as many images each.
#[derive(Clone, Debug, PartialEq)]
pub struct Repeats {
    /// In the order of the seeds: at least two.
    values: Vec<f64>,
    /// Images behind each.
    num_images: u64,
}

/// A run and `count` − 1 more, each an ordinary one on the next seeds, called `name-2`, `name-3`, …
///
/// # Errors
/// Seeds that are too large.
pub fn specs(spec: &RunSpec, count: u32) -> Result<Vec<RunSpec>, SpecError> {
    let repeat = |turn: u32| {
        let mut repeat = spec.clone();
        if turn > 0 {
            repeat.name = format!("{}-{}", spec.name, turn + 1);
            let seeds = spec.seeds.turned(u64::from(turn));
            repeat.seeds = seeds.map_err(|error| SpecError::Field {
                field: "seeds".to_owned(),
                problem: format!("repeat `{}`: {error}", turn + 1),
            })?;
        }
        Ok(repeat)
    };
    (0..count).map(repeat).collect()
}

impl Repeats {
    /// Of values that rest on `num_images` each; `None` of fewer than two.
    pub fn new(values: Vec<f64>, num_images: u64) -> Option<Self> {
        (values.len() >= 2).then_some(Self { values, num_images })
    }

    /// The smallest: what the papers report of three.
    pub fn min(&self) -> f64 {
        self.values.iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// Of all.
    pub fn mean(&self) -> f64 {
        self.values.iter().sum::<f64>() / self.values.len() as f64
    }

    /// Standard deviation of one: √(Σ(x − x̄)²/(n − 1)).
    pub fn sd(&self) -> f64 {
        let mean = self.mean();
        let squares: f64 = self.values.iter().map(|value| (value - mean).powi(2)).sum();
        (squares / (self.values.len() - 1) as f64).sqrt()
    }

    /// The noise floor: two runs of this many images, of other seeds, differ by less in 95 of 100 cases.
    pub fn floor(&self) -> f64 {
        student::two_sided_95(self.values.len() - 1) * std::f64::consts::SQRT_2 * self.sd()
    }

    /// The smallest difference between two such runs of other seeds that is found four times in five.
    pub fn detectable(&self) -> f64 {
        let degrees = self.values.len() - 1;
        let reach = student::one_sided_95(degrees) + student::one_sided_80(degrees);
        reach * std::f64::consts::SQRT_2 * self.sd()
    }

    /// One line, each figure by its name.
    pub fn line(&self) -> String {
        format!(
            "min {:.4} (what the papers report), mean {:.4}, sd {:.4}, n = {} runs of {} images on disjoint seeds; two \
             such runs differ by up to {:.4} by chance, differences from {:.4} on are found",
            self.min(),
            self.mean(),
            self.sd(),
            self.values.len(),
            self.num_images,
            self.floor(),
            self.detectable(),
        )
    }

    /// As the last line of JSON has it.
    pub fn to_json(&self) -> Value {
        json!({
            "min": self.min(), "mean": self.mean(), "sd": self.sd(), "n": self.values.len(), "values": self.values,
            "num_images": self.num_images, "noise_floor": self.floor(), "detectable": self.detectable(),
        })
    }
}

/// The first metric of each detector over some repeats: detector, metric, repeats.
pub fn of_results(results: &[RunResult]) -> Vec<(String, String, Repeats)> {
    let Some(first) = results.first() else { return Vec::new() };
    let repeats = first.detectors.iter().filter_map(|(detector, of_first)| {
        let headline = of_first.headline()?;
        let found = results.iter().map(|result| result.detectors.get(detector)?.headline());
        let found: Vec<&Measured> = found.collect::<Option<_>>()?;
        let values = found.iter().map(|measured| measured.value).collect();
        Some((detector.clone(), headline.id.clone(), Repeats::new(values, headline.num_images)?))
    });
    repeats.collect()
}

/// The same by detector, for scripts.
pub fn to_json(repeats: &[(String, String, Repeats)]) -> Value {
    let entry = |(detector, metric, of): &(String, String, Repeats)| {
        let mut entry = of.to_json();
        entry["metric"] = metric.as_str().into();
        (detector.clone(), entry)
    };
    Value::Object(repeats.iter().map(entry).collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_runs_tell_how_much_is_chance() {
        assert_eq!(Repeats::new(vec![1.0], 10), None);
        let of = Repeats::new(vec![7.0, 8.0, 9.0], 2000).unwrap();
        assert_eq!((of.min(), of.mean(), of.sd()), (7.0, 8.0, 1.0));
        // t of two degrees is 4.303 either way, 2.920 and about 1.06 one way.
        assert!((of.floor() - 4.302_653 * 2.0_f64.sqrt()).abs() < 1e-9);
        assert!((of.detectable() - 3.98 * 2.0_f64.sqrt()).abs() < 0.1, "{}", of.detectable());
        assert!(
            of.line().starts_with(
                "min 7.0000 (what the papers report), mean 8.0000, sd 1.0000, n = 3 runs of 2000"
            )
        );
    }

    #[test]
    fn repeats_are_ordinary_runs_of_disjoint_seeds() {
        let text = "name = \"n\"\nengine = \"synthetic\"\nseeds = \"0-9\"\noutputs = { latents = true }\n";
        let spec = RunSpec::from_toml(text, "test").unwrap();
        let all = specs(&spec, 3).unwrap();
        let shown: Vec<_> = all.iter().map(|spec| (spec.name.as_str(), spec.seeds.to_string())).collect();
        let expected = [("n", "0-9"), ("n-2", "10-19"), ("n-3", "20-29")];
        assert_eq!(shown, expected.map(|(name, seeds)| (name, seeds.to_owned())));
        assert_eq!(all[0], spec);
        let last = format!("{}-{}", i64::MAX - 9, i64::MAX);
        let far = RunSpec { seeds: last.parse().unwrap(), ..spec };
        assert!(specs(&far, 2).unwrap_err().to_string().contains("repeat `2`"));
    }
}
