//! EDM's `dataset.json`: `{"labels": [["00000/img00000000.png", 6], …]}`, or `"labels": null`. A class is a whole number
//! or a one-hot vector; what else stands there (a camera's pose, a condition) is the net's business and no class.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;

/// Where it lies in an archive or folder.
pub const FILE: &str = "dataset.json";
/// Some editors write it in front of UTF-8.
const BOM: &[u8] = b"\xef\xbb\xbf";
/// Up to here every whole number is a float64.
const MAX_WHOLE: f64 = 9_007_199_254_740_992.0;

#[derive(Deserialize)]
struct Table {
    #[serde(default)]
    labels: Option<Vec<(String, Value)>>,
}

/// The classes of the images called `names`, in their order, where they are known; empty when the file knows none.
pub fn parse<S: AsRef<str>>(json: &[u8], names: &[S]) -> Result<Vec<Option<i64>>, String> {
    let json = json.strip_prefix(BOM).unwrap_or(json);
    let table: Table = serde_json::from_slice(json).map_err(|error| {
        format!("`{FILE}`: {error}; correct it, or move it away where no classes are needed")
    })?;
    let Some(labels) = table.labels else { return Ok(Vec::new()) };
    let Some(classes) = classes(labels) else { return Ok(Vec::new()) };
    Ok(names.iter().map(|name| classes.get(name.as_ref()).copied()).collect())
}

/// Class by name; `None` when one of the labels is no class, for then none of them are.
fn classes(labels: Vec<(String, Value)>) -> Option<HashMap<String, i64>> {
    let mut width = None;
    let mut classes = HashMap::new();
    for (name, label) in labels {
        let class = match &label {
            Value::Null => continue,
            Value::Array(vector) if *width.get_or_insert(vector.len()) == vector.len() => one_hot(vector)?,
            other => whole(other)?,
        };
        classes.insert(name.replace('\\', "/"), class);
    }
    Some(classes)
}

fn whole(value: &Value) -> Option<i64> {
    let from_float = |value: f64| (value.fract() == 0.0 && value.abs() <= MAX_WHOLE).then_some(value as i64);
    value.as_i64().or_else(|| value.as_f64().and_then(from_float))
}

/// The place of the one among zeros; a vector of one number is that number.
fn one_hot(vector: &[Value]) -> Option<i64> {
    if let [only] = vector {
        return whole(only);
    }
    let values: Vec<i64> = vector.iter().map(whole).collect::<Option<_>>()?;
    let place = values.iter().position(|&value| value == 1)?;
    let is_one_hot =
        values.iter().enumerate().all(|(i, &value)| (i == place) == (value == 1) && value & !1 == 0);
    is_one_hot.then_some(place as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_every_shape_are_classes_or_nothing() {
        let parse = |labels: &str| {
            parse(format!("\u{feff}{{\"labels\": {labels}}}").as_bytes(), &["a", "b/c"]).unwrap()
        };
        for (labels, expected) in [
            (r#"[["a", 3], ["b\\c", 4]]"#, &[Some(3), Some(4)][..]),
            (r#"[["a", 3.0], ["b/c", -1]]"#, &[Some(3), Some(-1)]),
            (r#"[["a", [0, 1, 0]], ["b/c", [1.0, 0.0, 0.0]]]"#, &[Some(1), Some(0)]),
            (r#"[["a", [7]], ["b/c", [2]]]"#, &[Some(7), Some(2)]),
            (r#"[["a", 3]]"#, &[Some(3), None]),
            (r#"[["a", null], ["b/c", 1]]"#, &[None, Some(1)]),
            (r#"[["a", [0, 1, 0]], ["b/c", [0, 1]]]"#, &[]),
            (r#"[["a", [0.5, 0.5]], ["b/c", [0, 1]]]"#, &[]),
            (r#"[["a", [0, 0]], ["b/c", [0, 1]]]"#, &[]),
            (r#"[["a", [1, 1]], ["b/c", [0, 1]]]"#, &[]),
            (r#"[["a", 0.25], ["b/c", 1]]"#, &[]),
            (r#"[["a", "cat"], ["b/c", "dog"]]"#, &[]),
            ("null", &[]),
        ] {
            assert_eq!(parse(labels), expected, "{labels}");
        }
        assert_eq!(super::parse(b"{}", &["a"]), Ok(Vec::new()));
        let error = super::parse(b"{\"labels\": [", &["a"]).unwrap_err();
        assert!(error.contains("`dataset.json`"), "{error}");
    }
}
