//! A number, and what it rests on.

use serde_json::{Map, Value, json};

use crate::Metric;

/// A metric's value with all that there is to say about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// Of what.
    pub metric: Metric,
    /// The number.
    pub value: f64,
    /// Its standard error, or the spread that the metric is defined with; what it is stands beside the metric.
    pub sd: Option<f64>,
    /// Where the true value lies in 95 of 100 cases.
    pub interval: Option<[f64; 2]>,
    /// Images that were measured; 0 where their statistics do not say.
    pub n: u64,
    /// Images of the reference; `None` where there is none, or its statistics do not say.
    pub reference_images: Option<u64>,
    /// Parameters and particulars, by name.
    pub how: Map<String, Value>,
}

impl Measured {
    /// A value of `n` images, and nothing more.
    pub fn new(metric: Metric, value: f64, n: u64) -> Self {
        Self { metric, value, sd: None, interval: None, n, reference_images: None, how: Map::new() }
    }

    /// With this standard error.
    pub fn with_sd(self, sd: impl Into<Option<f64>>) -> Self {
        Self { sd: sd.into(), ..self }
    }

    /// With one more parameter or particular.
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.how.insert(name.to_owned(), value.into());
        self
    }

    /// As `--json` prints it: `{"value": 12.3, "sd": 0.4, "n": 50000, …}`.
    pub fn to_json(&self) -> Value {
        let mut object = Map::from_iter([("value".to_owned(), json!(self.value))]);
        let known = [
            ("sd", self.sd.map(Value::from)),
            ("interval", self.interval.map(|interval| json!(interval))),
            ("n", (self.n > 0).then(|| self.n.into())),
            ("reference_images", self.reference_images.map(Value::from)),
        ];
        object.extend(known.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        object.extend(self.how.clone());
        Value::Object(object)
    }
}
