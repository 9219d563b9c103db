//! The table on stdout: best first.

use fidelis_contract::sweep::{AxisName, Ending, Row, Setting, Table};

use super::{Standing, standing, title};
use crate::report::text::{decimals, fixed, thousands, with_error};

/// Cells named in a sentence; more are counted.
const NAMED: usize = 6;

/// A line per cell, and below what it says.
pub fn terminal(table: &Table) -> String {
    let axes: Vec<&AxisName> = table.axes.iter().map(|listed| &listed.axis).collect();
    let mut rows: Vec<&Row> = table.rows.iter().collect();
    // Those that were looked at longest first, and of them the best.
    let value = |row: &Row| row.value.unwrap_or(f64::INFINITY);
    rows.sort_by(|a, b| b.num_images.cmp(&a.num_images).then(value(a).total_cmp(&value(b))));
    let head = ["".to_owned()].into_iter().chain(axes.iter().map(ToString::to_string));
    let head = head.chain(["images".to_owned(), title(table), "behind the best".to_owned()]);
    let mut lines: Vec<Vec<String>> = vec![head.collect()];
    lines.extend(rows.iter().map(|row| cells(table, row, &axes)));
    let widths: Vec<usize> = (0..axes.len() + 4)
        .map(|i| lines.iter().map(|line| line[i].chars().count()).max().unwrap_or_default())
        .collect();
    let mut text = String::new();
    for line in &lines {
        let padded = line.iter().zip(&widths).enumerate().map(|(i, (cell, &width))| match i {
            0 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        text.push_str(padded.collect::<Vec<_>>().join("   ").trim_end());
        text.push('\n');
    }
    for note in notes(table) {
        text.push_str(&format!("\n{note}\n"));
    }
    text
}

fn cells(table: &Table, row: &Row, axes: &[&AxisName]) -> Vec<String> {
    let mark = match standing(table, row) {
        Standing::Best => "best",
        Standing::Open => "~",
        Standing::Behind => "",
    };
    let setting = |axis: &&AxisName| row.settings.get(*axis).map_or("–".to_owned(), Setting::to_string);
    let stopped = if row.stopped { " *" } else { "" };
    let value = if row.failed.is_some() { "failed".to_owned() } else { with_error(row.value, row.sd) };
    let behind = row.behind.map_or(String::new(), |behind| with_error(Some(behind.by), Some(behind.sd)));
    let figures = [format!("{}{stopped}", thousands(row.num_images)), value, behind];
    [mark.to_owned()].into_iter().chain(axes.iter().map(setting)).chain(figures).collect()
}

fn notes(table: &Table) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(best) = table.best_row() {
        let sd = decimals(best.sd);
        let between = best.interval.map_or(String::new(), |[low, high]| {
            format!(", between {} and {} in 95 of 100 cases", fixed(low, sd), fixed(high, sd))
        });
        let value = fixed(best.value.unwrap_or_default(), sd);
        let cells = table.rows.len();
        notes.push(format!(
            "best: {} ({} {value}{between}; the lowest of {cells}, and so a little too low)",
            best.line(),
            title(table)
        ));
        notes.push(not_told_apart(table));
    }
    if table.rows.iter().any(|row| row.stopped) {
        notes.push("* worse than the best beyond chance: the rest of its images was not made".to_owned());
    }
    for row in &table.rows {
        if let Some(cause) = &row.failed {
            notes.push(format!("failed: {} (run `{}`): {cause}", row.line(), row.run));
        }
    }
    let images = thousands(table.num_images);
    notes.push(match table.ending {
        Ending::Budget => {
            format!("the budget ended it after {images} images; with a larger one it goes on from here")
        }
        _ => format!("{images} images in all"),
    });
    notes
}

fn not_told_apart(table: &Table) -> String {
    let open: Vec<String> =
        table.not_told_apart.iter().filter_map(|run| Some(table.row(run)?.line())).collect();
    if open.is_empty() {
        return "every other cell is worse than it beyond chance".to_owned();
    }
    let more = open.len().saturating_sub(NAMED);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    let named = open.iter().take(NAMED).cloned().collect::<Vec<_>>().join("; ");
    format!("~ not told apart from it, as the interval of the difference holds 0: {named}{more}")
}
