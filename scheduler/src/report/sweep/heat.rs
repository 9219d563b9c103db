//! The heat map: guidance (or the innermost axis) from left to right, an EMA length (or the next axis) from top to bottom,
//! a panel for each choice of all else.

use fidelis_contract::sweep::{AxisName, Row, Setting, Table};
use fidelis_figure::{Anchor, Color, Figure, Mark, rgb};

use super::slice::{Slice, measured, slices, values};
use super::{BEST, INK, SOFT, Standing, pen, standing, title};
use crate::report::text::{decimals, fixed};

/// Of a cell, at least.
const WIDTH: f64 = 76.0;
const HEIGHT: f64 = 44.0;
const MARGIN: f64 = 24.0;
/// Above a panel: its settings, the axis's name and its values.
const HEAD: f64 = 58.0;
/// Left of a panel, at least: the values of the other axis.
const SIDE: f64 = 90.0;
const FOOT: f64 = 56.0;
/// More are not drawn; they are in the table.
const MOST_PANELS: usize = 12;

/// From the best to the worst.
const COLORS: [Color; 4] = [rgb(0x0b_4f_4a), rgb(0x4f_a0_8b), rgb(0xbf_da_c4), rgb(0xf7_f2_e6)];

/// The picture; `None` where nothing was measured.
pub fn heat(table: &Table) -> Option<Figure> {
    let rows = measured(table);
    let (low, high) = range(&rows)?;
    let (across, down) = axes(table)?;
    let along: Vec<&AxisName> = [Some(&across), down.as_ref()].into_iter().flatten().collect();
    let mut panels = slices(&rows, table, &along);
    panels.truncate(MOST_PANELS);
    let columns = values(&rows, &across);
    let lines: Vec<Option<&Setting>> = match &down {
        Some(down) => values(&rows, down).into_iter().map(Some).collect(),
        None => vec![None],
    };
    let side = SIDE.max(widest(lines.iter().flatten().copied()) + 20.0);
    let cell = [WIDTH.max(widest(columns.iter().copied()) + 14.0), HEIGHT];
    let panel_height = HEAD + cell[1] * lines.len() as f64 + MARGIN;
    let width = (2.0 * MARGIN + side + cell[0] * columns.len() as f64).max(560.0);
    let height = MARGIN + 14.0 + panel_height * panels.len() as f64 + FOOT;
    let mut figure = Figure { width: width as usize, height: height as usize, marks: Vec::new() };
    figure.bold([MARGIN, MARGIN + 4.0], (format!("{}, lower is better", title(table)), Anchor::Start), INK);
    let color = |value: f64| color(value, (low, high));
    for (i, panel) in panels.iter().enumerate() {
        let corner = [MARGIN + side, MARGIN + 14.0 + HEAD + panel_height * i as f64];
        let grid = Panel {
            table,
            across: &across,
            down: down.as_ref(),
            columns: &columns,
            lines: &lines,
            corner,
            cell,
        };
        grid.draw(&mut figure, panel, &color);
    }
    legend(&mut figure, table, height - FOOT + 14.0);
    Some(figure)
}

/// What goes from left to right and from top to bottom: guidance and an EMA length where there are such axes, else numbers
/// from the inside of the grid out.
pub(super) fn axes(table: &Table) -> Option<(AxisName, Option<AxisName>)> {
    let mut names: Vec<&AxisName> = table.axes.iter().map(|listed| &listed.axis).collect();
    let several =
        |axis: &AxisName| table.axes.iter().any(|listed| listed.axis == *axis && listed.values.len() > 1);
    let rank = |axis: &AxisName| match axis {
        AxisName::Guidance => 0,
        AxisName::GnetEma => 1,
        AxisName::NetEma => 2,
        axis if axis.is_number() => 3,
        _ => 4,
    };
    names.sort_by_key(|axis| (!several(axis), rank(axis)));
    let mut names = names.into_iter().cloned();
    Some((names.next()?, names.next()))
}

struct Panel<'a> {
    table: &'a Table,
    across: &'a AxisName,
    down: Option<&'a AxisName>,
    columns: &'a [&'a Setting],
    lines: &'a [Option<&'a Setting>],
    corner: [f64; 2],
    cell: [f64; 2],
}

impl Panel<'_> {
    fn draw(&self, figure: &mut Figure, slice: &Slice<'_>, color: &dyn Fn(f64) -> Color) {
        let ([left, top], [width, height]) = (self.corner, self.cell);
        figure.text([MARGIN, top - 42.0], (slice.label.clone(), Anchor::Start), INK);
        figure.text([left, top - 22.0], (self.across.to_string(), Anchor::Start), SOFT);
        if let Some(down) = self.down {
            figure.text([left - 10.0, top - 6.0], (down.to_string(), Anchor::End), SOFT);
        }
        for (i, column) in self.columns.iter().enumerate() {
            let middle = left + width * (i as f64 + 0.5);
            figure.text([middle, top - 6.0], (column.to_string(), Anchor::Middle), INK);
        }
        let mut marked = Vec::new();
        for (j, line) in self.lines.iter().enumerate() {
            let y = top + height * j as f64;
            if let Some(line) = line {
                figure.text([left - 10.0, y + 26.0], (line.to_string(), Anchor::End), INK);
            }
            for (i, column) in self.columns.iter().enumerate() {
                let at = [left + width * i as f64, y];
                let Some(row) = slice.rows.iter().find(|row| self.is_at(row, column, *line)) else {
                    continue;
                };
                square(figure, row, (at, self.cell), color);
                marked.push((standing(self.table, row), at));
            }
        }
        // Above their neighbours' edges.
        for (standing, at) in marked {
            let edge = match standing {
                Standing::Best => pen(4.0, BEST),
                Standing::Open => pen(1.5, BEST),
                Standing::Behind => continue,
            };
            let (at, size) = (at.map(|place| place + 3.0), self.cell.map(|length| length - 6.0));
            figure.put(Mark::Box { at, size, fill: None, edge: Some(edge) });
        }
    }

    /// A cell that nothing guides is in every line: it has no guiding net whose EMA length could differ.
    fn is_at(&self, row: &Row, column: &Setting, line: Option<&Setting>) -> bool {
        let has =
            |axis: &AxisName, setting: &Setting| row.settings.get(axis).is_none_or(|own| own == setting);
        has(self.across, column) && self.down.zip(line).is_none_or(|(down, line)| has(down, line))
    }
}

fn square(
    figure: &mut Figure,
    row: &Row,
    ([x, y], size): ([f64; 2], [f64; 2]),
    color: &dyn Fn(f64) -> Color,
) {
    let Some(value) = row.value else { return };
    let fill = color(value);
    let dark = fill.iter().sum::<f32>() < 1.6;
    let ink = if dark { rgb(0xff_ff_ff) } else { INK };
    figure.put(Mark::Box { at: [x, y], size, fill: Some(fill), edge: Some(pen(1.0, rgb(0xff_ff_ff))) });
    let digits = decimals(row.sd);
    let stopped = if row.stopped { "*" } else { "" };
    let middle = x + size[0] / 2.0;
    figure.bold([middle, y + 20.0], (format!("{}{stopped}", fixed(value, digits)), Anchor::Middle), ink);
    if let Some(sd) = row.sd {
        figure.text([middle, y + 35.0], (format!("± {}", fixed(sd, digits)), Anchor::Middle), ink);
    }
}

/// The longest of some settings, in pixels.
fn widest<'a>(settings: impl Iterator<Item = &'a Setting>) -> f64 {
    let longest = settings.map(|setting| setting.to_string().chars().count()).max();
    7.0 * longest.unwrap_or(0) as f64
}

fn legend(figure: &mut Figure, table: &Table, y: f64) {
    let boxed = |figure: &mut Figure, x: f64, width: f32, text: &str| {
        figure.put(Mark::Box {
            at: [x, y - 10.0],
            size: [16.0, 11.0],
            fill: None,
            edge: Some(pen(width, BEST)),
        });
        figure.text([x + 24.0, y], (text, Anchor::Start), SOFT);
    };
    boxed(figure, MARGIN, 3.5, "best");
    boxed(figure, MARGIN + 80.0, 1.5, "not told apart from it by paired seeds");
    if table.rows.iter().any(|row| row.stopped) {
        figure.text(
            [MARGIN, y + 20.0],
            ("* worse beyond chance: stopped early, of fewer images", Anchor::Start),
            SOFT,
        );
    }
}

fn range(rows: &[&Row]) -> Option<(f64, f64)> {
    let values = rows.iter().filter_map(|row| row.value);
    let (low, high) =
        values.fold((f64::INFINITY, 0.0_f64), |(low, high), value| (low.min(value), high.max(value)));
    low.is_finite().then_some((low, high))
}

/// By the logarithm: a distance twice as large is as much worse anywhere.
fn color(value: f64, (low, high): (f64, f64)) -> Color {
    let log = |value: f64| value.max(1e-12).ln();
    let span = log(high) - log(low);
    let share = if span > 0.0 { ((log(value) - log(low)) / span).clamp(0.0, 1.0) } else { 0.0 };
    let place = share * (COLORS.len() - 1) as f64;
    let index = (place as usize).min(COLORS.len() - 2);
    let part = (place - index as f64) as f32;
    let (a, b) = (COLORS[index], COLORS[index + 1]);
    [0, 1, 2].map(|k| a[k] + (b[k] - a[k]) * part)
}
