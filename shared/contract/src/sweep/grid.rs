//! From axes to cells: a spec each.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Axis, AxisName, AxisValue, Setting, SweepError, ema::without_ema, with_ema};
use crate::spec::{EngineKind, RunSpec, SpecError};

/// Most cells of a grid.
pub const MAX_CELLS: u64 = 2000;

/// A place in a grid: a value for each axis, in the order of the axes.
pub type Point = Vec<AxisValue>;

/// All places of a grid; the last axis changes fastest.
///
/// # Errors
/// [`SweepError::Empty`] without an axis, [`SweepError::TooMany`].
pub fn points(axes: &[Axis]) -> Result<Vec<Point>, SweepError> {
    if axes.is_empty() {
        return Err(SweepError::Empty);
    }
    let cells = axes.iter().fold(1_u64, |cells, axis| cells.saturating_mul(axis.values.len() as u64));
    if cells > MAX_CELLS {
        return Err(SweepError::TooMany { cells });
    }
    let mut points: Vec<Point> = vec![Vec::new()];
    for axis in axes {
        let extended = points.iter().flat_map(|point| {
            axis.values.iter().map(|value| [&point[..], std::slice::from_ref(value)].concat())
        });
        points = extended.collect();
    }
    Ok(points)
}

/// The spec at a point: that of the base with the point's values in it. Where nothing guides (w = 1), neither a guiding net
/// with its damage nor an interval is named: such cells are one, whatever would have guided them.
///
/// # Errors
/// [`SweepError::Cell`] with the field that refuses its value, [`SweepError::NoEma`].
pub fn cell(base: &RunSpec, axes: &[Axis], point: &Point) -> Result<RunSpec, SweepError> {
    let refused = |source| SweepError::Cell { cell: shown(axes, point), source };
    // The spec's own JSON is JSON.
    let mut value: Value = serde_json::from_str(&base.to_json()).unwrap_or_default();
    for (axis, of) in axes.iter().zip(point) {
        let place = axis.name.pointer();
        let new = match (of, &axis.name) {
            (AxisValue::Number(std), AxisName::NetEma | AxisName::GnetEma) => {
                let there = value.pointer(&place).cloned().unwrap_or_default();
                let file = serde_json::from_value(there).map_err(|_| {
                    let field = place.trim_start_matches('/').to_owned();
                    refused(SpecError::Field {
                        field,
                        problem: "missing: an EMA length is of a net".to_owned(),
                    })
                })?;
                json!(with_ema(&axis.name, &file, *std)?)
            }
            // A whole number is one: `num_steps` takes no others.
            (AxisValue::Number(number), _) if number.fract() == 0.0 && number.abs() < 1e15 => {
                json!(*number as i64)
            }
            (AxisValue::Number(number), _) => json!(number),
            (AxisValue::Interval(interval), _) => json!(interval),
            (AxisValue::File { file, .. }, _) => json!(file),
        };
        set(&mut value, &place, new);
    }
    if value["engine"] == EngineKind::Edm2.as_str() && value["guidance"].as_f64() == Some(1.0) {
        let guides = ["/gnet", "/gnet_damage", "/guidance_interval"];
        guides.iter().for_each(|place| set(&mut value, place, Value::Null));
    }
    let spec = RunSpec::from_json(&value.to_string(), "base").map_err(refused)?;
    spec.validate().map_err(refused)?;
    Ok(spec)
}

/// Sets a value of an object, or of an object in it, which comes into being where it was left out.
fn set(spec: &mut Value, place: &str, new: Value) {
    let mut at = spec;
    for name in place.split('/').skip(1) {
        if !at.is_object() {
            *at = json!({});
        }
        at = &mut at[name];
    }
    *at = new;
}

/// What a cell is told by: the settings that mean something to its spec.
pub fn settings(axes: &[Axis], point: &Point, spec: &RunSpec) -> BTreeMap<AxisName, Setting> {
    let is_unguided = spec.engine.edm2().is_some_and(|model| model.gnet.is_none());
    let told = axes.iter().zip(point).filter(|(axis, _)| !(is_unguided && axis.name.is_of_guidance()));
    told.map(|(axis, value)| (axis.name.clone(), named(axes, &axis.name, value))).collect()
}

/// Settings as a line: `gnet_ema 0.05, guidance 1.2`.
pub fn line(settings: &BTreeMap<AxisName, Setting>) -> String {
    let parts = settings.iter().map(|(axis, setting)| format!("{axis} {setting}"));
    parts.collect::<Vec<_>>().join(", ")
}

/// A value as it is shown: where EMA lengths are an axis of their own, files are called without theirs.
pub(super) fn named(axes: &[Axis], name: &AxisName, value: &AxisValue) -> Setting {
    let has = |other| axes.iter().any(|axis| axis.name == other);
    match (Setting::from(value), name) {
        (Setting::File(label), AxisName::Net) if has(AxisName::NetEma) => {
            Setting::File(without_ema(&label).to_owned())
        }
        (Setting::File(label), AxisName::Gnet) if has(AxisName::GnetEma) => {
            Setting::File(without_ema(&label).to_owned())
        }
        (setting, _) => setting,
    }
}

fn shown(axes: &[Axis], point: &Point) -> String {
    let parts = axes.iter().zip(point).map(|(axis, value)| format!("{} {}", axis.name, Setting::from(value)));
    parts.collect::<Vec<_>>().join(", ")
}
