//! The result as a table on stdout.

use super::notes::notes;
use super::table::table;
use fidelis_contract::result::RunResult;

const WIDTH: usize = 100;

/// A table of plain text, a line per run, and below it what the numbers mean.
pub fn terminal(runs: &[RunResult]) -> String {
    let table = table(runs);
    let titles: Vec<String> = table.columns.iter().map(|column| column.title.clone()).collect();
    let lines: Vec<&Vec<String>> = std::iter::once(&titles).chain(&table.rows).collect();
    let widths: Vec<usize> = (0..titles.len())
        .map(|i| lines.iter().map(|line| line[i].chars().count()).max().unwrap_or_default())
        .collect();
    let mut text = String::new();
    for line in lines {
        let cells = line.iter().zip(&table.columns).zip(&widths).map(|((cell, column), &width)| {
            if column.numeric { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
        });
        text.push_str(cells.collect::<Vec<_>>().join("   ").trim_end());
        text.push('\n');
    }
    for note in notes(runs) {
        text.push('\n');
        text.push_str(&wrapped(&note.replace('`', "")));
    }
    text
}

fn wrapped(paragraph: &str) -> String {
    let (mut text, mut column) = (String::new(), 0);
    for word in paragraph.split_whitespace() {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > WIDTH {
            text.push('\n');
            column = 0;
        } else if column > 0 {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += length;
    }
    text.push('\n');
    text
}
