//! Curves over images seen, as inline SVG.

/// Of a plot that has the page to itself, and of one that shares it.
pub const WIDE: f64 = 640.0;
pub const NARROW: f64 = 380.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 34.0;
/// A curve of more points is drawn by the means of as many groups: no screen shows more.
const MAX_POINTS: usize = 400;
/// Rows of a legend's names.
const NAMES_IN_A_ROW: usize = 4;

/// A line in a plot.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curve {
    pub name: String,
    /// Images seen, and a value, in order.
    pub points: Vec<(f64, f64)>,
}

/// How values are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    Linear,
    /// Of positive values; others are left out.
    Log,
}

/// The plot; `None` where no curve has two points.
pub fn svg(curves: &[Curve], axis: Axis, width: f64) -> Option<String> {
    let curves: Vec<Drawn<'_>> = Drawn::of(curves, axis).collect();
    let points = || curves.iter().flat_map(|curve| &curve.points);
    let most = points().map(|point| point.0).fold(0.0, f64::max);
    let (low, high) = range(points().map(|point| point.1))?;
    let legend = if curves.len() > 1 { curves.len().div_ceil(NAMES_IN_A_ROW) as f64 * 20.0 } else { 0.0 };
    let x = |images: f64| LEFT + images / most.max(1.0) * (width - LEFT - RIGHT);
    let y = |value: f64| TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM);
    let names: Vec<&str> = curves.iter().map(|curve| curve.name).collect();
    let mut svg = format!(
        r#"<svg viewBox="0 0 {width} {}" role="img" aria-label="{} over images">"#,
        HEIGHT + legend,
        super::html::escaped(&names.join(", "))
    );
    for tick in ticks(low, high, axis) {
        let (at, value) = (y(tick), if axis == Axis::Log { 10_f64.powf(tick) } else { tick });
        svg.push_str(&format!(
            r#"<line class="grid" x1="{LEFT}" x2="{}" y1="{at:.1}" y2="{at:.1}"/><text class="left" x="{}" y="{:.1}">{}</text>"#,
            width - RIGHT,
            LEFT - 8.0,
            at + 4.0,
            short(value)
        ));
    }
    for tick in ticks(0.0, most, Axis::Linear) {
        svg.push_str(&format!(
            r#"<text class="below" x="{:.1}" y="{}">{}</text>"#,
            x(tick),
            HEIGHT - BOTTOM + 18.0,
            short(tick)
        ));
    }
    for (row, Drawn { index, name, points }) in curves.iter().enumerate() {
        let path: Vec<String> =
            points.iter().map(|&(images, value)| format!("{:.1} {:.1}", x(images), y(value))).collect();
        svg.push_str(&format!(r#"<path class="c{}" d="M{}"/>"#, index % 8, path.join("L")));
        if legend > 0.0 {
            let (column, line) = (row % NAMES_IN_A_ROW, row / NAMES_IN_A_ROW);
            let at = LEFT + column as f64 * (width - LEFT) / NAMES_IN_A_ROW as f64;
            let down = HEIGHT + 12.0 + line as f64 * 20.0;
            svg.push_str(&format!(
                r#"<path class="c{}" d="M{at:.1} {:.1}h18"/><text x="{:.1}" y="{down:.1}">{}</text>"#,
                index % 8,
                down - 4.0,
                at + 24.0,
                super::html::escaped(name)
            ));
        }
    }
    svg.push_str("</svg>");
    Some(svg)
}

/// A curve that has something to show.
struct Drawn<'a> {
    /// Its place among all, which decides the colour.
    index: usize,
    name: &'a str,
    points: Vec<(f64, f64)>,
}

impl<'a> Drawn<'a> {
    fn of(curves: &'a [Curve], axis: Axis) -> impl Iterator<Item = Self> {
        let scaled = move |value: f64| if axis == Axis::Log { value.log10() } else { value };
        let drawn = move |(index, curve): (usize, &'a Curve)| {
            let points =
                curve.points.iter().map(|&(x, y)| (x, scaled(y))).filter(|point| point.1.is_finite());
            Self { index, name: &curve.name, points: thinned(&points.collect::<Vec<_>>()) }
        };
        curves.iter().enumerate().map(drawn).filter(|curve| curve.points.len() > 1)
    }
}

/// Means of neighbours, where there are more points than can be seen.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let group = points.len().div_ceil(MAX_POINTS).max(1);
    let mean = |group: &[(f64, f64)]| {
        let sum = group.iter().fold((0.0, 0.0), |sum, point| (sum.0 + point.0, sum.1 + point.1));
        (sum.0 / group.len() as f64, sum.1 / group.len() as f64)
    };
    points.chunks(group).map(mean).collect()
}

/// From a little below the lowest to a little above the highest; `None` of nothing.
fn range(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let range = values.fold(None, |range: Option<(f64, f64)>, value| {
        let (low, high) = range.unwrap_or((value, value));
        Some((low.min(value), high.max(value)))
    });
    let (low, high) = range?;
    let margin = if high > low { (high - low) * 0.06 } else { high.abs().max(1e-9) * 0.1 };
    Some((low - margin, high + margin))
}

/// 1, 2 or 5 times a power of ten, three to seven of them; whole powers of ten on a logarithmic axis that spans two.
fn ticks(low: f64, high: f64, axis: Axis) -> Vec<f64> {
    let span = high - low;
    if !(span > 0.0 && span.is_finite()) {
        return vec![low];
    }
    let power = 10_f64.powf((span / 5.0).log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|step| step * power).into_iter().find(|step| span / step <= 6.0);
    let step = step.unwrap_or(power * 10.0);
    let step = if axis == Axis::Log && span >= 2.0 { step.ceil() } else { step };
    let first = (low / step).ceil() as i64;
    let last = (high / step).floor() as i64;
    (first..=last).map(|i| i as f64 * step).collect()
}

/// As people read it on an axis: 1.2M, 340k, 0.012.
pub fn short(value: f64) -> String {
    let size = value.abs();
    let rounded = |value: f64, unit: &str| {
        let text = format!("{value:.2}");
        format!("{}{unit}", text.trim_end_matches('0').trim_end_matches('.'))
    };
    match size {
        _ if size == 0.0 => "0".to_owned(),
        _ if size >= 1e9 => rounded(value / 1e9, "G"),
        _ if size >= 1e6 => rounded(value / 1e6, "M"),
        _ if size >= 1e4 => rounded(value / 1e3, "k"),
        _ if size >= 0.1 => rounded(value, ""),
        _ if size >= 1e-3 => format!("{value:.4}").trim_end_matches('0').to_owned(),
        _ => format!("{value:.1e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let shown = [0.0, 12.0, 9999.0, 12_345.0, 2_500_000.0, 0.25, 0.012, 0.00001].map(short);
        assert_eq!(shown, ["0", "12", "9999", "12.35k", "2.5M", "0.25", "0.012", "1.0e-5"]);
    }

    #[test]
    fn ticks_are_round_and_few() {
        assert_eq!(ticks(0.0, 10.0, Axis::Linear), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
        assert_eq!(ticks(-3.2, 2.1, Axis::Log), [-3.0, -2.0, -1.0, 0.0, 1.0, 2.0]);
        assert_eq!(ticks(1.0, 1.0, Axis::Linear), [1.0]);
    }

    #[test]
    fn a_curve_of_many_points_is_thinned_and_one_of_one_point_is_none() {
        let points: Vec<(f64, f64)> = (0..10_000).map(|i| (f64::from(i), f64::from(i % 2))).collect();
        let thin = thinned(&points);
        assert_eq!((thin.len(), thin[0]), (MAX_POINTS, (12.0, 0.48)));
        let curve = |points: &[(f64, f64)]| Curve { name: "x".to_owned(), points: points.to_vec() };
        assert_eq!(svg(&[curve(&points[..1])], Axis::Linear, WIDE), None);
        assert!(
            svg(&[curve(&[(0.0, 1.0), (1.0, 0.0)])], Axis::Log, WIDE).is_none(),
            "the logarithm of nothing"
        );
        assert!(
            svg(&[curve(&points), curve(&points)], Axis::Linear, WIDE).unwrap().matches("<path").count() == 4
        );
    }
}
