//! The curves: the metric along each axis of numbers, a line for each choice of all else, as the papers show guidance and
//! EMA length.

use fidelis_contract::sweep::{AxisName, Row, Table};
use fidelis_figure::{Anchor, Color, Figure, Mark, rgb};

use super::scale::Scale;
use super::slice::{Slice, measured, slices};
use super::{BEST, GRID, INK, SOFT, pen, title};
use crate::report::text::setting;

const PANEL: [f64; 2] = [420.0, 280.0];
const LEFT: f64 = 64.0;
const TOP: f64 = 56.0;
const GAP: f64 = 40.0;
const BOTTOM: f64 = 52.0;
const LINE: f64 = 18.0;
/// More lines nobody tells apart: the best are drawn.
const MOST_LINES: usize = 8;
/// Okabe and Ito's, which people of any colour vision tell apart.
const COLORS: [Color; MOST_LINES] = [
    rgb(0x00_72_b2),
    rgb(0xe6_9f_00),
    rgb(0x00_9e_73),
    rgb(0xcc_79_a7),
    rgb(0x56_b4_e9),
    rgb(0x8a_83_78),
    rgb(0xb8_a8_00),
    rgb(0x20_20_20),
];

/// A chart along one axis.
struct Chart<'a> {
    axis: AxisName,
    lines: Vec<Slice<'a>>,
    /// How many more there are.
    more: usize,
}

/// The picture; `None` where no axis of numbers has several values.
pub fn curves(table: &Table) -> Option<Figure> {
    let charts: Vec<Chart<'_>> = numbers(table).into_iter().filter_map(|axis| chart(table, axis)).collect();
    if charts.is_empty() {
        return None;
    }
    let most = charts.iter().map(|chart| chart.lines.len() + usize::from(chart.more > 0)).max().unwrap_or(0);
    let width = charts.len() as f64 * (LEFT + PANEL[0] + GAP);
    let height = TOP + PANEL[1] + BOTTOM + LINE * most as f64 + 16.0;
    let mut figure = Figure { width: width as usize, height: height as usize, marks: Vec::new() };
    for (i, chart) in charts.iter().enumerate() {
        let corner = [LEFT + i as f64 * (LEFT + PANEL[0] + GAP), TOP];
        draw(&mut figure, table, (chart, corner));
    }
    Some(figure)
}

/// Guidance first, EMA lengths next.
fn numbers(table: &Table) -> Vec<AxisName> {
    let several = table.axes.iter().filter(|listed| listed.axis.is_number() && listed.values.len() > 1);
    let mut names: Vec<AxisName> = several.map(|listed| listed.axis.clone()).collect();
    names.sort_by_key(|axis| match axis {
        AxisName::Guidance => 0,
        AxisName::GnetEma => 1,
        AxisName::NetEma => 2,
        _ => 3,
    });
    names
}

fn chart(table: &Table, axis: AxisName) -> Option<Chart<'_>> {
    let mut rows = measured(table);
    if axis != AxisName::Guidance
        && let Some(best) = table.best_row().and_then(|best| best.settings.get(&AxisName::Guidance))
    {
        // Else there were a line for every weight.
        rows.retain(|row| row.settings.get(&AxisName::Guidance) == Some(best));
    }
    let has_axis = |slice: &Slice<'_>| {
        let places = slice.rows.iter().filter(|row| row.settings.contains_key(&axis));
        places.count() > 1
    };
    let mut lines: Vec<Slice<'_>> = slices(&rows, table, &[&axis]).into_iter().filter(has_axis).collect();
    let lowest =
        |slice: &Slice<'_>| slice.rows.iter().filter_map(|row| row.value).fold(f64::INFINITY, f64::min);
    let more = lines.len().saturating_sub(MOST_LINES);
    if more > 0 {
        lines.sort_by(|a, b| lowest(a).total_cmp(&lowest(b)));
        lines.truncate(MOST_LINES);
    }
    (!lines.is_empty()).then_some(Chart { axis, lines, more })
}

/// A line's points from left to right.
fn points<'a>(slice: &Slice<'a>, axis: &AxisName) -> Vec<(f64, f64, &'a Row)> {
    let at = |row: &&'a Row| Some((row.settings.get(axis)?.number()?, row.value?, *row));
    let mut points: Vec<(f64, f64, &Row)> = slice.rows.iter().filter_map(at).collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    points
}

fn draw(figure: &mut Figure, table: &Table, (chart, [left, top]): (&Chart<'_>, [f64; 2])) {
    let lines: Vec<Vec<(f64, f64, &Row)>> =
        chart.lines.iter().map(|slice| points(slice, &chart.axis)).collect();
    let all = || lines.iter().flatten();
    let ends = all().flat_map(|(_, y, row)| {
        let sd = row.sd.unwrap_or(0.0);
        // A whisker below 0 would have no place on an axis of logarithms.
        [(y - sd).max(0.5 * y), y + sd]
    });
    let (Some(xs), Some(ys)) = (Scale::of(all().map(|point| point.0)), Scale::of(ends)) else { return };
    let [width, height] = PANEL;
    let place = |x: f64, y: f64| [left + xs.share(x) * width, top + (1.0 - ys.share(y)) * height];
    frame(figure, [left, top], (&xs, &ys));
    let bottom = top + height;
    figure.text([left + width / 2.0, bottom + 38.0], (chart.axis.to_string(), Anchor::Middle), INK);
    figure.bold([left - 44.0, top - 30.0], (title(table), Anchor::Start), INK);
    if chart.axis != AxisName::Guidance
        && let Some(w) = table.best_row().and_then(|best| best.settings.get(&AxisName::Guidance))
    {
        let text = format!("at the best cell's guidance, {w}");
        figure.text([left - 44.0, top - 12.0], (text, Anchor::Start), SOFT);
    }
    for (i, (line, slice)) in lines.iter().zip(&chart.lines).enumerate() {
        let color = COLORS[i % COLORS.len()];
        figure.put(Mark::Line {
            points: line.iter().map(|(x, y, _)| place(*x, *y)).collect(),
            pen: pen(2.0, color),
        });
        for (x, y, row) in line {
            if let Some(sd) = row.sd {
                figure.line(place(*x, (y - sd).max(0.5 * y)), place(*x, y + sd), pen(1.2, color));
            }
            figure.put(Mark::Dot { at: place(*x, *y), pen: pen(8.0, color), hollow: row.stopped });
        }
        let y = bottom + BOTTOM + 8.0 + LINE * i as f64;
        figure.line([left, y - 4.0], [left + 22.0, y - 4.0], pen(2.0, color));
        let label = if slice.label.is_empty() { "all cells" } else { &slice.label };
        figure.text([left + 30.0, y], (label, Anchor::Start), INK);
    }
    if let Some((x, y, _)) = all().find(|(_, _, row)| table.best.as_ref() == Some(&row.run)) {
        figure.put(Mark::Dot { at: place(*x, *y), pen: pen(11.0, BEST), hollow: false });
    }
    if all().any(|(_, _, row)| row.stopped) {
        let text = ("hollow: stopped early, of fewer images", Anchor::End);
        figure.text([left + width, top - 30.0], text, SOFT);
    }
    if chart.more > 0 {
        let y = bottom + BOTTOM + 8.0 + LINE * lines.len() as f64;
        figure.text([left + 30.0, y], (format!("and {} more", chart.more), Anchor::Start), SOFT);
    }
}

fn frame(figure: &mut Figure, [left, top]: [f64; 2], (xs, ys): (&Scale, &Scale)) {
    let [width, height] = PANEL;
    let bottom = top + height;
    for tick in ys.ticks() {
        let y = top + (1.0 - ys.share(tick)) * height;
        figure.line([left, y], [left + width, y], pen(1.0, GRID));
        figure.text([left - 8.0, y + 4.0], (setting(tick), Anchor::End), SOFT);
    }
    for tick in xs.ticks() {
        let x = left + xs.share(tick) * width;
        figure.line([x, top], [x, bottom], pen(1.0, GRID));
        figure.text([x, bottom + 18.0], (setting(tick), Anchor::Middle), SOFT);
    }
    figure.line([left, top], [left, bottom], pen(1.0, SOFT));
    figure.line([left, bottom], [left + width, bottom], pen(1.0, SOFT));
}
