//! `table.json`: what a sweep came to, or how far it is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{AxisName, Listed, Setting};
use crate::{
    ids::{RunId, SweepId},
    text::text_enum,
};

text_enum! {
    /// How a sweep stands.
    Ending: "ending" {
        /// Cells are being made.
        Running = "running",
        /// Everything that was wanted is known.
        Complete = "complete",
        /// The next look would have cost more than the budget leaves.
        Budget = "budget",
        /// Some cells could not be made; all else is known.
        Incomplete = "incomplete",
    }
}

/// A sweep's result: a function of its spec and of what is stored of its cells, for any number of workers and however
/// often it was interrupted (but for a budget of time).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// See [`SCHEMA`](super::identity::SCHEMA).
    pub schema: u32,
    /// Which sweep.
    pub sweep: SweepId,
    /// The metric that cells are compared by: lower is better.
    pub metric: String,
    /// Whose features it is of.
    pub detector: String,
    /// How many images each cell is looked at with, ascending.
    pub looks: Vec<u64>,
    /// How it stands.
    pub ending: Ending,
    /// Images that the sweep needed so far, whoever made them.
    pub num_images: u64,
    /// What was varied, with the first grid's values.
    pub axes: Vec<Listed>,
    /// A row for each cell, in the order of the grid, finer grids behind.
    pub rows: Vec<Row>,
    /// The cell of the lowest value among those that most images were looked at of.
    pub best: Option<RunId>,
    /// The cells that cannot be told apart from the best: the interval of the difference holds 0.
    pub not_told_apart: Vec<RunId>,
}

/// A cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The run that it is.
    pub run: RunId,
    /// Its settings; an axis that means nothing to it is left out.
    pub settings: BTreeMap<AxisName, Setting>,
    /// 0 for the first grid, 1 for the first finer one.
    pub round: u32,
    /// Images behind the value.
    pub num_images: u64,
    /// The metric; none before the first look.
    pub value: Option<f64>,
    /// Its standard error.
    pub sd: Option<f64>,
    /// Where the true value lies in 95 of 100 cases.
    pub interval: Option<[f64; 2]>,
    /// Whether the rest of its images were not made, because it was worse by more than chance explains.
    pub stopped: bool,
    /// How much worse than the best, by the images of the seeds that both were looked at with.
    pub behind: Option<Behind>,
    /// Why it could not be made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

/// How much worse a cell is than the best.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Behind {
    /// The difference.
    pub by: f64,
    /// Its standard error, from pairs of the same seeds.
    pub sd: f64,
    /// Where the true difference lies in 95 of 100 cases.
    pub interval: [f64; 2],
}

impl Table {
    /// JSON with a newline at its end.
    pub fn to_json(&self) -> String {
        // Serialising plain data with string keys cannot fail.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// The row of the best cell.
    pub fn best_row(&self) -> Option<&Row> {
        self.row(self.best.as_ref()?)
    }

    /// The row of a run.
    pub fn row(&self, run: &RunId) -> Option<&Row> {
        self.rows.iter().find(|row| row.run == *run)
    }

    /// The file `table.csv`: a line per cell, under the names of the axes and `run,round,num_images,value,sd,low,high,
    /// behind,behind_sd,behind_low,behind_high,stopped,best,not_told_apart`.
    pub fn to_csv(&self) -> String {
        let axes: Vec<&AxisName> = self.axes.iter().map(|listed| &listed.axis).collect();
        let named = axes.iter().map(ToString::to_string);
        let figures = [
            "run",
            "round",
            "num_images",
            "value",
            "sd",
            "low",
            "high",
            "behind",
            "behind_sd",
            "behind_low",
            "behind_high",
            "stopped",
            "best",
            "not_told_apart",
        ];
        let mut text = line(named.chain(figures.map(str::to_owned)));
        for row in &self.rows {
            let number = |number: Option<f64>| number.map_or_else(String::new, |number| number.to_string());
            let settings =
                axes.iter().map(|axis| row.settings.get(*axis).map_or_else(String::new, Setting::to_string));
            let [low, high] = [0, 1].map(|end| number(row.interval.map(|interval| interval[end])));
            let behind = |pick: fn(&Behind) -> f64| number(row.behind.as_ref().map(pick));
            let figures = [
                row.run.to_string(),
                row.round.to_string(),
                row.num_images.to_string(),
                number(row.value),
                number(row.sd),
                low,
                high,
                behind(|behind| behind.by),
                behind(|behind| behind.sd),
                behind(|behind| behind.interval[0]),
                behind(|behind| behind.interval[1]),
                row.stopped.to_string(),
                (self.best.as_ref() == Some(&row.run)).to_string(),
                self.not_told_apart.contains(&row.run).to_string(),
            ];
            text.push_str(&line(settings.chain(figures)));
        }
        text
    }
}

impl Row {
    /// Its settings as a line.
    pub fn line(&self) -> String {
        super::line(&self.settings)
    }
}

fn line(fields: impl Iterator<Item = String>) -> String {
    let quoted = fields.map(|field| match field.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", field.replace('"', "\"\"")),
        false => field,
    });
    quoted.collect::<Vec<_>>().join(",") + "\n"
}
