//! The result as Markdown, for a pull request.

use super::notes::notes;
use super::provenance::provenance;
use super::table::{labels, table};
use fidelis_contract::result::RunResult;

/// A table, its captions, and where it all came from.
pub fn markdown(runs: &[RunResult]) -> String {
    let labels = labels(runs);
    let mut text = format!("# {}\n\n", escaped(&labels.join(" and ")));
    let table = table(runs);
    text.push_str(&row(table.columns.iter().map(|column| column.title.as_str())));
    text.push_str(&row(table.columns.iter().map(|column| if column.numeric { "---:" } else { "---" })));
    for cells in &table.rows {
        text.push_str(&row(cells.iter().map(String::as_str)));
    }
    for note in notes(runs) {
        text.push_str(&format!("\n{}\n", note.replace('*', "\\*")));
    }
    text.push_str("\n<details><summary>Provenance</summary>\n\n");
    text.push_str(&row(std::iter::once("").chain(labels.iter().map(String::as_str))));
    text.push_str(&row(std::iter::once("---").chain(labels.iter().map(|_| "---"))));
    for (name, values) in provenance(runs) {
        text.push_str(&row(std::iter::once(name.as_str()).chain(values.iter().map(String::as_str))));
    }
    text.push_str("\n</details>\n");
    text
}

fn row<'a>(cells: impl Iterator<Item = &'a str>) -> String {
    format!("| {} |\n", cells.map(escaped).collect::<Vec<_>>().join(" | "))
}

fn escaped(cell: &str) -> String {
    cell.replace('|', "\\|").replace('*', "\\*").replace('_', "\\_").replace('<', "&lt;").replace('\n', " ")
}
