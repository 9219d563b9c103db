//! Values of an axis, as people write them: `1:3:0.25`, `1,1.2,1.4`, `[1, 1.2]`; `all,0.19:1.61`; files.

use serde_json::Value;

use super::{Axis, AxisName, AxisValue, SweepError};
use crate::{address, spec::FileRef};

/// More steps in a range are a typo.
const MAX_STEPS: f64 = 10_000.0;

impl Axis {
    /// An axis of values: text, a number, or a list of either. Files are not looked up.
    ///
    /// # Errors
    /// [`SweepError::Values`] with what to write instead.
    pub fn parse(name: AxisName, written: &Value) -> Result<Self, SweepError> {
        let refuse = |problem| SweepError::Values { axis: name.to_string(), problem };
        let parts: Vec<Value> = match written {
            Value::Array(items) => items.clone(),
            Value::String(text) => {
                text.split(',').map(|part| Value::from(part.trim())).filter(|part| part != "").collect()
            }
            one => vec![one.clone()],
        };
        let mut values: Vec<AxisValue> = Vec::new();
        for part in &parts {
            for value in read(&name, part).map_err(refuse)? {
                if !values.contains(&value) {
                    values.push(value);
                }
            }
        }
        if values.is_empty() {
            return Err(refuse("it has no values: give at least one, or leave the axis out".to_owned()));
        }
        label(&mut values);
        Ok(Self { name, values })
    }
}

fn read(name: &AxisName, part: &Value) -> Result<Vec<AxisValue>, String> {
    match name {
        AxisName::Net | AxisName::Gnet => Ok(vec![file(part)?]),
        AxisName::Interval => Ok(vec![AxisValue::Interval(interval(part)?)]),
        _ => {
            let numbers = numbers(part)?;
            let odd = numbers.iter().find(|number| *name == AxisName::Steps && number.fract() != 0.0);
            match odd {
                Some(odd) => Err(format!("`{odd}` is no number of steps: use whole numbers")),
                None => Ok(numbers.into_iter().map(AxisValue::Number).collect()),
            }
        }
    }
}

fn numbers(part: &Value) -> Result<Vec<f64>, String> {
    let text = match part {
        Value::String(text) => text.trim(),
        Value::Number(number) => return Ok(number.as_f64().into_iter().collect()),
        other => return Err(no_number(&other.to_string())),
    };
    let parts: Vec<&str> = text.split(':').collect();
    match parts[..] {
        [one] => Ok(vec![number(one)?]),
        [first, last, step] => range(text, [number(first)?, number(last)?, number(step)?]),
        _ => Err(no_number(text)),
    }
}

/// Both ends, where the steps meet the last; each number is the nearest to its decimals, not a sum's.
fn range(text: &str, [first, last, step]: [f64; 3]) -> Result<Vec<f64>, String> {
    let count = (last - first) / step;
    if step <= 0.0 || count < 0.0 {
        return Err(format!("`{text}` is no range: write FIRST:LAST:STEP, upwards, with a step above `0`"));
    }
    if count > MAX_STEPS {
        return Err(format!("`{text}` has more than {MAX_STEPS} values: use a larger step"));
    }
    let places = decimals(first).max(decimals(step));
    Ok((0..=(count + 1e-9) as u32).map(|i| rounded(first + f64::from(i) * step, places)).collect())
}

fn number(text: &str) -> Result<f64, String> {
    text.trim().parse().ok().filter(|number: &f64| number.is_finite()).ok_or_else(|| no_number(text))
}

fn no_number(text: &str) -> String {
    format!("`{text}` is no number and no range: write numbers as `1,1.2,1.4`, or a range as `1:3:0.25`")
}

/// How many decimals a number is written with.
pub(super) fn decimals(number: f64) -> usize {
    number.to_string().split_once('.').map_or(0, |(_, decimals)| decimals.len())
}

pub(super) fn rounded(number: f64, decimals: usize) -> f64 {
    format!("{number:.decimals$}").parse().unwrap_or(number)
}

fn interval(part: &Value) -> Result<Option<(f64, f64)>, String> {
    let ends = match part {
        Value::String(text) if text.trim() == "all" => return Ok(None),
        Value::String(text) => {
            text.split_once(':').map(|(lo, hi)| (lo.trim().parse().ok(), hi.trim().parse().ok()))
        }
        Value::Array(ends) if ends.len() == 2 => Some((ends[0].as_f64(), ends[1].as_f64())),
        _ => None,
    };
    match ends {
        Some((Some(lo), Some(hi))) => Ok(Some((lo, hi))),
        _ => Err(format!("`{}` is no interval: write noise levels as `0.19:1.61`, or `all`", plain(part))),
    }
}

fn file(part: &Value) -> Result<AxisValue, String> {
    let file: FileRef = serde_json::from_value(part.clone())
        .map_err(|error| format!("`{}` is no file: {error}", plain(part)))?;
    Ok(AxisValue::File { file, label: String::new() })
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Calls files by their names without the ending; where two would be called alike, by more of their paths.
fn label(values: &mut [AxisValue]) {
    let paths: Vec<String> = values.iter().map(path).collect();
    for parts in 1..=usize::MAX {
        let labels: Vec<String> = paths.iter().map(|path| ending(path, parts)).collect();
        let is_longest = parts >= paths.iter().map(|path| path.split('/').count()).max().unwrap_or(1);
        let is_clear = labels.iter().enumerate().all(|(i, label)| !labels[..i].contains(label));
        if !is_clear && !is_longest {
            continue;
        }
        for (value, of) in values.iter_mut().zip(labels) {
            if let AxisValue::File { label, .. } = value {
                *label = of;
            }
        }
        return;
    }
}

fn path(value: &AxisValue) -> String {
    match value {
        AxisValue::File { file, .. } if file.is_url() => address::shown(&file.path),
        AxisValue::File { file, .. } => file.path.trim_end_matches('/').to_owned(),
        _ => String::new(),
    }
}

fn ending(path: &str, parts: usize) -> String {
    let all: Vec<&str> = path.split('/').collect();
    let end = all[all.len().saturating_sub(parts)..].join("/");
    [".safetensors", ".pkl"].iter().find_map(|ending| end.strip_suffix(ending)).unwrap_or(&end).to_owned()
}
