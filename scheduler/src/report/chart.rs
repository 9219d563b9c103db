//! Distances with their error bars as inline SVG: a row per run, the floor a dashed line.

use super::html::escaped;
use super::table::{labels, with_images};
use super::text::{fixed, with_error};
use fidelis_contract::result::RunResult;

const WIDTH: f64 = 760.0;
/// Where the axis begins and ends: run names stand left of it, values right.
const LEFT: f64 = 150.0;
const RIGHT: f64 = 620.0;
const TOP: f64 = 34.0;
const ROW: f64 = 46.0;

/// The chart of one detector; `None` where no run has a distance.
pub(super) fn chart(runs: &[RunResult], detector: &str) -> Option<String> {
    let names = labels(runs);
    let results = runs.iter().enumerate().zip(&names).filter_map(|((index, run), name)| {
        let result = run.detectors.get(detector)?;
        Some(Bar { index, name, value: result.value()?, sd: result.sd() })
    });
    let bars: Vec<Bar> = results.collect();
    let floors = floors(runs, detector);
    let reaches = bars.iter().map(|bar| bar.value + bar.sd.unwrap_or(0.0));
    let reach = reaches.chain(floors.iter().map(|(floor, _)| *floor)).fold(0.0, f64::max);
    if bars.is_empty() {
        return None;
    }
    let step = tick_step(reach);
    let end = ((reach * 1.02 / step).ceil() * step).max(step);
    let x = |value: f64| LEFT + value.clamp(0.0, end) / end * (RIGHT - LEFT);
    let bottom = TOP + bars.len() as f64 * ROW;
    let mut svg = format!(
        r#"<svg class="chart" viewBox="0 0 {WIDTH} {}" role="img" aria-label="{}">"#,
        bottom + 30.0,
        escaped(&description(&bars, &floors))
    );
    let ticks = (0..=(end / step).round() as usize).map(|i| i as f64 * step);
    for tick in ticks {
        let (at, text) = (x(tick), fixed(tick, if step < 1.0 { 2 } else { 0 }));
        svg.push_str(&format!(
            r#"<line class="grid" x1="{at:.1}" x2="{at:.1}" y1="{TOP}" y2="{bottom}"/><text class="tick" x="{at:.1}" y="{:.1}">{text}</text>"#,
            bottom + 20.0
        ));
    }
    for (row, bar) in bars.iter().enumerate() {
        svg.push_str(&bar.svg(TOP + (row as f64 + 0.5) * ROW, x));
    }
    for (i, (floor, text)) in floors.iter().enumerate() {
        let (at, label) = (x(*floor), if i == 0 { format!("floor {text}") } else { text.clone() });
        svg.push_str(&format!(
            r#"<line class="floor" x1="{at:.1}" x2="{at:.1}" y1="{:.1}" y2="{bottom}"/><text class="floor-label" x="{at:.1}" y="{:.1}">{label}</text>"#,
            TOP - 8.0,
            TOP - 14.0 - 12.0 * i as f64
        ));
    }
    svg.push_str("</svg>");
    Some(svg)
}

/// Each floor once, with the number of its images: runs of other numbers of images may have other floors.
fn floors(runs: &[RunResult], detector: &str) -> Vec<(f64, String)> {
    let mut floors: Vec<(f64, String)> = Vec::new();
    for result in runs.iter().filter_map(|run| run.detectors.get(detector)) {
        if let (Some(floor), Some(text)) = (result.floor, with_images(result))
            && !floors.iter().any(|(_, other)| *other == text)
        {
            floors.push((floor.value, text));
        }
    }
    floors
}

struct Bar<'a> {
    /// Its run's, which decides the colour.
    index: usize,
    name: &'a str,
    value: f64,
    sd: Option<f64>,
}

impl Bar<'_> {
    fn svg(&self, y: f64, x: impl Fn(f64) -> f64) -> String {
        let (start, at) = (x(0.0), x(self.value));
        let mut svg = format!(
            r#"<g class="run-{}"><text class="name" x="{:.1}" y="{:.1}">{}</text><rect class="bar" x="{start:.1}" y="{:.1}" width="{:.1}" height="14" rx="3"/>"#,
            self.index % 6,
            LEFT - 14.0,
            y + 4.5,
            escaped(self.name),
            y - 7.0,
            at - start
        );
        let mut reach = at;
        if let Some(sd) = self.sd {
            let (low, high) = (x(self.value - sd), x(self.value + sd));
            reach = high;
            svg.push_str(&format!(
                r#"<path class="whisker" d="M{low:.1} {y:.1}H{high:.1}M{low:.1} {:.1}v12M{high:.1} {:.1}v12"/>"#,
                y - 6.0,
                y - 6.0
            ));
        }
        svg.push_str(&format!(
            r#"<circle class="dot" cx="{at:.1}" cy="{y:.1}" r="4"/><text class="value" x="{:.1}" y="{:.1}">{}</text></g>"#,
            reach + 12.0,
            y + 4.5,
            with_error(Some(self.value), self.sd)
        ));
        svg
    }
}

fn description(bars: &[Bar<'_>], floors: &[(f64, String)]) -> String {
    let values = bars.iter().map(|bar| format!("{} {}", bar.name, with_error(Some(bar.value), bar.sd)));
    let floors = floors.iter().map(|(_, text)| format!("floor {text} images"));
    values.chain(floors).collect::<Vec<_>>().join(", ")
}

/// 1, 2 or 5 times a power of ten, for four to eight ticks.
fn tick_step(reach: f64) -> f64 {
    if reach <= 0.0 || !reach.is_finite() {
        return 1.0;
    }
    let power = 10_f64.powf((reach / 5.0).log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
    steps.into_iter().find(|step| reach / step <= 6.0).unwrap_or(power * 10.0)
}
