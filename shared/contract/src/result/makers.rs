//! Which machines and programs made a run, and when: as its receipts say.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{maker::Maker, receipt::Receipt};

/// Each list sorted and without repetitions; empty where the receipts, of an earlier version, do not say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Makers {
    /// Models of the devices.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub device_models: Vec<String>,
    /// Versions of fidelis, libtorch, CUDA and driver that went together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub programs: Vec<String>,
    /// When the first chunk was made, in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_made: Option<String>,
    /// When the last one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_made: Option<String>,
}

impl Makers {
    /// Of a run's receipts.
    pub(super) fn of(receipts: &[&Receipt]) -> Self {
        let makers: Vec<&Maker> = receipts.iter().filter_map(|receipt| receipt.maker.as_ref()).collect();
        let models: BTreeSet<String> = makers.iter().filter_map(|maker| maker.device_model()).collect();
        let programs: BTreeSet<String> = makers.iter().map(|maker| programs(maker)).collect();
        let dates = || makers.iter().filter_map(|maker| maker.date.clone());
        Self {
            device_models: models.into_iter().collect(),
            programs: programs.into_iter().filter(|programs| !programs.is_empty()).collect(),
            first_made: dates().min(),
            last_made: dates().max(),
        }
    }

    /// `2026-11-26T19:06:00Z to 2026-11-26T19:08:12Z`.
    pub fn dates(&self) -> String {
        match (&self.first_made, &self.last_made) {
            (Some(first), Some(last)) if first != last => format!("{first} to {last}"),
            (Some(date), _) => date.clone(),
            (None, _) => String::new(),
        }
    }
}

fn programs(maker: &Maker) -> String {
    let named = [
        ("fidelis", &maker.fidelis),
        ("libtorch", &maker.libtorch),
        ("CUDA", &maker.cuda),
        ("driver", &maker.driver),
    ];
    let said = named.iter().filter_map(|(name, version)| Some(format!("{name} {}", version.as_ref()?)));
    said.collect::<Vec<_>>().join(", ")
}
