//! Parts of a table: cells that differ in one setting or two.

use fidelis_contract::sweep::{AxisName, Row, Setting, Table};

/// Rows that agree in all settings but those of some axes; cells that nothing guides are in every one that could be theirs.
#[derive(Debug)]
pub(super) struct Slice<'a> {
    /// The settings in which they agree, where there is a choice: `gnet a, gnet_ema 0.05`.
    pub label: String,
    pub rows: Vec<&'a Row>,
}

/// The slices along some axes, in the order of the rows.
pub(super) fn slices<'a>(rows: &[&'a Row], table: &Table, along: &[&AxisName]) -> Vec<Slice<'a>> {
    let others: Vec<&AxisName> =
        table.axes.iter().map(|listed| &listed.axis).filter(|axis| !along.contains(axis)).collect();
    let mut keys: Vec<Vec<&Setting>> = Vec::new();
    for row in rows {
        let key: Vec<&Setting> = others.iter().filter_map(|axis| row.settings.get(*axis)).collect();
        if key.len() == others.len() && !keys.contains(&key) {
            keys.push(key);
        }
    }
    let slice = |key: Vec<&Setting>| {
        let is_of = |row: &Row| {
            let mut pairs = others.iter().zip(&key);
            pairs.all(|(axis, setting)| row.settings.get(*axis).is_none_or(|own| own == *setting))
        };
        let differ = others.iter().zip(&key).filter(|(axis, _)| values(rows, axis).len() > 1);
        let label: Vec<String> = differ.map(|(axis, setting)| format!("{axis} {setting}")).collect();
        Slice { label: label.join(", "), rows: rows.iter().copied().filter(|row| is_of(row)).collect() }
    };
    keys.into_iter().map(slice).collect()
}

/// The settings of an axis, ascending.
pub(super) fn values<'a>(rows: &[&'a Row], axis: &AxisName) -> Vec<&'a Setting> {
    let mut values: Vec<&Setting> = rows.iter().filter_map(|row| row.settings.get(axis)).collect();
    values.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
    values.dedup();
    values
}

/// The rows that have a value.
pub(super) fn measured(table: &Table) -> Vec<&Row> {
    table.rows.iter().filter(|row| row.value.is_some()).collect()
}
