//! A sweep as people write it.

use std::{collections::BTreeMap, path::Path, str::FromStr, time::Duration};

use serde::Deserialize;
use serde_json::Value;

use super::{Axis, AxisName, AxisValue, SweepError};
use crate::{address::Address, seeds::Seeds, text::serde_as_text};

/// Rounds of refinement that anybody waits for.
const MAX_ROUNDS: u32 = 8;

/// What a sweep may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Budget {
    /// Images that it needs, whoever makes them.
    Images(u64),
    /// By the clock on the wall, of one call.
    Time(Duration),
}

impl FromStr for Budget {
    type Err = SweepError;
    fn from_str(text: &str) -> Result<Self, SweepError> {
        let (digits, unit) = text.split_at(text.trim_end_matches(|c: char| c.is_ascii_alphabetic()).len());
        let seconds = match unit {
            "" => None,
            "s" => Some(1),
            "m" | "min" => Some(60),
            "h" => Some(3600),
            _ => Some(0),
        };
        let number = digits.trim().replace('_', "").parse::<u64>().ok().filter(|number| *number > 0);
        match (number, seconds) {
            (Some(number), None) => Ok(Self::Images(number)),
            (Some(number), Some(unit @ 1..)) => {
                Ok(Self::Time(Duration::from_secs(number.saturating_mul(unit))))
            }
            _ => {
                let problem = format!(
                    "`{text}` is no budget: write images as `20000`, or time as `90s`, `30m` or `2h`"
                );
                Err(SweepError::Field { field: "budget", problem })
            }
        }
    }
}

impl std::fmt::Display for Budget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Images(number) => write!(f, "{number}"),
            Self::Time(time) => write!(f, "{}s", time.as_secs()),
        }
    }
}

serde_as_text!(Budget);

/// A sweep before its cells are known.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SweepDraft {
    /// What it is called; by default as its base spec.
    pub name: Option<String>,
    /// The base spec, relative to the sweep's file.
    pub spec: Option<String>,
    /// Seeds instead of the base spec's.
    pub seeds: Option<Seeds>,
    /// `fid`, `fd_dinov2`, `fd`; may be left out where the base has one detector.
    pub metric: Option<String>,
    /// The detector, where several have this metric.
    pub detector: Option<String>,
    /// Rounds of finer grids around the best cell.
    pub refine: u32,
    /// All images of every cell, however hopeless.
    pub full: bool,
    /// What it may cost.
    pub budget: Option<Budget>,
    pub(super) axes: BTreeMap<String, Value>,
}

impl SweepDraft {
    /// Reads TOML; `origin` names it in errors. Paths become absolute, from `folder`.
    ///
    /// # Errors
    /// [`SweepError::Syntax`]; an axis that cannot be read.
    pub fn from_toml(text: &str, origin: &str, folder: &Path) -> Result<(Self, Vec<Axis>), SweepError> {
        let draft: Self = toml::from_str(text.strip_prefix('\u{feff}').unwrap_or(text)).map_err(|error| {
            let line = error.span().map(|span| 1 + text[..span.start.min(text.len())].matches('\n').count());
            let at = line.map_or(String::new(), |line| format!(" at line {line}"));
            let problem = format!("{}{at}", error.message().replace('\n', " "));
            SweepError::Syntax { origin: origin.to_owned(), problem }
        })?;
        let mut axes = Vec::new();
        for (name, value) in &draft.axes {
            match value {
                // `sampler.rho = …` is a table to TOML.
                Value::Object(inner) if !inner.contains_key("path") => {
                    for (field, value) in inner {
                        axes.push(Axis::parse(format!("{name}.{field}").parse()?, value)?);
                    }
                }
                value => axes.push(Axis::parse(name.parse()?, value)?),
            }
        }
        axes.iter_mut().for_each(|axis| axis.anchor(folder));
        Ok((draft, axes))
    }

    /// Checks what needs no file.
    ///
    /// # Errors
    /// [`SweepError::Field`].
    pub fn check(&self) -> Result<(), SweepError> {
        if self.refine > MAX_ROUNDS {
            let problem = format!("`{}` rounds are too many: use `0` to `{MAX_ROUNDS}`", self.refine);
            return Err(SweepError::Field { field: "refine", problem });
        }
        Ok(())
    }
}

impl Axis {
    /// Makes relative paths absolute, from `folder`.
    pub fn anchor(&mut self, folder: &Path) {
        for value in &mut self.values {
            if let AxisValue::File { file, .. } = value
                && !file.is_url()
                && let Ok(Address::Path(path)) = Address::parse(&file.path)
            {
                file.path = folder.join(path).display().to_string();
            }
        }
    }
}

/// The axes in the order of the grid's loops; of two of one name the later counts.
pub fn ordered(axes: Vec<Axis>) -> Vec<Axis> {
    let by_name: BTreeMap<AxisName, Axis> = axes.into_iter().map(|axis| (axis.name.clone(), axis)).collect();
    by_name.into_values().collect()
}
