//! What a sweep is called by.

use serde::{Deserialize, Serialize};

use super::{Axis, AxisName, Setting, grid::named};
use crate::ids::{Digest, RunId, SweepId};

/// The layout of `sweep.json` and of the table that this build writes.
pub const SCHEMA: u32 = 1;

/// A sweep whose cells' specs are resolved: everything that decides its table, and nothing else. Its cells name the content
/// of all files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SweepSpec {
    /// See [`SCHEMA`].
    pub schema: u32,
    /// `[a-z0-9][a-z0-9-]{0,47}`.
    pub name: String,
    /// The metric that cells are compared by: lower is better.
    pub metric: String,
    /// Whose features it is of.
    pub detector: String,
    /// How many images each cell is looked at with, ascending; the last is all of them.
    pub looks: Vec<u64>,
    /// How often the grid is made finer around the best cell.
    pub refine: u32,
    /// Images that the sweep may need.
    pub budget_images: Option<u64>,
    /// What is varied, in the order of the grid's loops.
    pub axes: Vec<Listed>,
    /// The first grid's.
    pub cells: Vec<RunId>,
}

/// An axis with its first values, as they are shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Listed {
    /// What is varied.
    pub axis: AxisName,
    /// Each once.
    pub values: Vec<Setting>,
}

impl Listed {
    /// The axes of a grid.
    pub fn all(axes: &[Axis]) -> Vec<Self> {
        let listed = |axis: &Axis| {
            let mut values: Vec<Setting> = Vec::new();
            for setting in axis.values.iter().map(|value| named(axes, &axis.name, value)) {
                if !values.contains(&setting) {
                    values.push(setting);
                }
            }
            Self { axis: axis.name.clone(), values }
        };
        axes.iter().map(listed).collect()
    }
}

impl SweepSpec {
    /// JSON with a newline at its end: the same sweep is the same bytes.
    pub fn to_json(&self) -> String {
        // Serialising plain data with string keys cannot fail.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// Its name, and the digest of its [JSON](Self::to_json).
    ///
    /// # Errors
    /// A name that is none.
    pub fn id(&self) -> Result<SweepId, crate::ids::IdError> {
        SweepId::new(&self.name, &Digest::of(self.to_json().as_bytes()))
    }
}
