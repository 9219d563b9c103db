//! `result.json` of schema 1, which did not say so: one Fréchet distance per detector, in flat fields.

use std::{collections::BTreeMap, mem};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{DetectorResult, Floor, Measured, Method, Reference, RunResult, SCHEMA};

#[derive(Deserialize)]
struct Distance {
    metric: String,
    value: Option<f64>,
    sd: Option<f64>,
    blocks: u64,
    clipped_mass: Option<f64>,
    sigma_clipped_mass: Option<f64>,
    rank_deficient: bool,
    floor: Option<f64>,
    floor_images: Option<u64>,
    reference_images: Option<u64>,
    published: Option<f64>,
}

/// All else is as it was.
pub(super) fn from_json(bytes: &[u8]) -> serde_json::Result<RunResult> {
    let mut result: Map<String, Value> = serde_json::from_slice(bytes)?;
    let detectors = result.get_mut("detectors").map(mem::take).unwrap_or_default();
    let distances: BTreeMap<String, Distance> = serde_json::from_value(detectors)?;
    result.insert("schema".to_owned(), SCHEMA.into());
    result.insert("detectors".to_owned(), Value::Object(Map::new()));
    let mut result: RunResult = serde_json::from_value(result.into())?;
    let num_images = result.num_images;
    result.detectors = distances.into_iter().map(|(name, old)| (name, old.measured(num_images))).collect();
    Ok(result)
}

impl Distance {
    fn measured(self, num_images: u64) -> DetectorResult {
        let method = Method::Frechet {
            blocks: self.blocks,
            clipped_mass: self.clipped_mass.unwrap_or_default(),
            sigma_clipped_mass: self.sigma_clipped_mass,
        };
        let metric = |value| Measured { id: self.metric.clone(), value, sd: self.sd, method, num_images };
        DetectorResult {
            metrics: self.value.map(metric).into_iter().collect(),
            reference: self.value.map(|_| Reference { num_images: self.reference_images }),
            floor: self.floor.map(|value| Floor {
                value,
                num_images: self.floor_images,
                rank_deficient: false,
            }),
            rank_deficient: self.rank_deficient,
            published: self.published,
        }
    }
}
