//! How long a run took, and who says so.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::receipt::Receipt;

/// What the last command that made any image of a run made, and how long that took.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Making {
    /// Images that the store lacked when the command began.
    pub num_images: u64,
    /// By the clock on the wall, from submission to the last one being stored.
    pub seconds: f64,
}

/// Where the time went. The device's share is from the receipts: a resumed run counts each image's own making.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// By the clock on the wall; `None` where no command followed the making to its end.
    pub images_per_s: Option<f64>,
    /// What that rate is of. Results of earlier versions have none, and a rate that was the sum of the workers' own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub making: Option<Making>,
    /// Seconds that devices spent on chunks of this run.
    pub device_seconds: f64,
    /// How many workers made them.
    pub workers: u64,
}

impl Timing {
    /// The timing of a complete run.
    pub fn of<'a>(receipts: impl IntoIterator<Item = &'a Receipt>, making: Option<Making>) -> Self {
        let mut workers: BTreeMap<&str, f64> = BTreeMap::new();
        for receipt in receipts {
            *workers.entry(&receipt.worker).or_default() += receipt.seconds;
        }
        let making = making.filter(|making| making.num_images > 0 && making.seconds > 0.0);
        Self {
            images_per_s: making.map(|making| making.num_images as f64 / making.seconds),
            making,
            device_seconds: workers.values().sum(),
            workers: workers.len() as u64,
        }
    }
}
