//! A figure as SVG.

use std::fmt::Write;

use crate::canvas::{Color, Pen};
use crate::figure::{Anchor, Figure, Mark, Words};

impl Figure {
    /// A document of its own: no script, no font and no picture from elsewhere. Equal figures are equal bytes.
    pub fn svg(&self) -> String {
        let Self { width, height, marks } = self;
        let mut text = format!(
            concat!(
                r#"<svg xmlns="http://www.w3.org/2000/svg" width="{}" height="{}" viewBox="0 0 {} {}" "#,
                r#"font-family="ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="12">"#,
                "\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
            ),
            width, height, width, height
        );
        elements(&mut text, marks);
        text + "</svg>\n"
    }
}

fn elements(text: &mut String, marks: &[Mark]) {
    for mark in marks {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", element(mark));
    }
}

fn element(mark: &Mark) -> String {
    match mark {
        Mark::Box { at: [x, y], size: [width, height], fill, edge } => {
            let fill = fill.map_or("none".to_owned(), code);
            let edge = edge.map_or(String::new(), stroke);
            format!(
                r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" fill="{fill}"{edge}/>"#
            )
        }
        Mark::Line { points, pen } => {
            let points: Vec<String> = points.iter().map(|[x, y]| format!("{x:.1},{y:.1}")).collect();
            let (points, stroke) = (points.join(" "), stroke(*pen));
            format!(r#"<polyline points="{points}" fill="none" stroke-linejoin="round"{stroke}/>"#)
        }
        Mark::Dot { at: [x, y], pen, hollow } => {
            let (radius, color) = (f64::from(pen.width) / 2.0, code(pen.color));
            let fill = if *hollow { "#ffffff" } else { &color };
            format!(
                r#"<circle cx="{x:.1}" cy="{y:.1}" r="{radius:.1}" fill="{fill}" stroke="{color}" stroke-width="1.5"/>"#
            )
        }
        Mark::Area { rings, fill } => {
            let rings: String = rings.iter().map(|ring| path(ring) + "Z").collect();
            format!(r#"<path d="{rings}" fill="{}" fill-rule="evenodd"/>"#, code(*fill))
        }
        Mark::Strokes { lines, pen } => {
            let (lines, stroke): (String, _) = (lines.iter().map(|line| path(line)).collect(), stroke(*pen));
            let round = r#"stroke-linecap="round" stroke-linejoin="round""#;
            format!(r#"<path d="{lines}" fill="none" {round}{stroke}/>"#)
        }
        Mark::Inset { at: [x, y], figure: Figure { width, height, marks } } => {
            let mut text = format!(r#"<svg x="{x:.1}" y="{y:.1}" width="{width}" height="{height}">"#);
            elements(&mut text, marks);
            text + "</svg>"
        }
        Mark::Text(words) => written(words),
    }
}

/// A line as path data, each point by its distance from the one before, in tenths of a pixel that do not add up to more.
fn path(points: &[[f64; 2]]) -> String {
    let tenths = |point: &[f64; 2]| point.map(|value| (value * 10.0).round() as i64);
    let Some((first, rest)) = points.split_first() else { return String::new() };
    let mut last = tenths(first);
    let mut text = format!("M{}", pair(last));
    for point in rest.iter().map(tenths) {
        let _ = write!(text, "l{}", pair([point[0] - last[0], point[1] - last[1]]));
        last = point;
    }
    // A line without length is drawn by its ends.
    if rest.is_empty() { text + "h0" } else { text }
}

/// Two numbers given in tenths, as short as they can be written.
fn pair([x, y]: [i64; 2]) -> String {
    let short = |tenths: i64| format!("{}", tenths as f64 / 10.0);
    let (x, y) = (short(x), short(y));
    if y.starts_with('-') { x + &y } else { format!("{x} {y}") }
}

fn written(words: &Words) -> String {
    let Words { at: [x, y], text, anchor, color, bold, large } = words;
    let anchor = match anchor {
        Anchor::Start => "start",
        Anchor::Middle => "middle",
        Anchor::End => "end",
    };
    let (color, weight) = (code(*color), if *bold { r#" font-weight="bold""# } else { "" });
    let size = if *large { r#" font-size="17""# } else { "" };
    // As wide as the pixels have it, whichever font there is.
    let length = words.width();
    format!(
        r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}" textLength="{length:.0}" fill="{color}"{weight}{size}>{}</text>"#,
        escaped(text)
    )
}

fn stroke(pen: Pen) -> String {
    let opacity =
        if pen.alpha < 1.0 { format!(r#" stroke-opacity="{:.2}""#, pen.alpha) } else { String::new() };
    format!(r#" stroke="{}" stroke-width="{:.1}"{opacity}"#, code(pen.color), pen.width)
}

fn code(color: Color) -> String {
    let [r, g, b] = color.map(|part| (part.clamp(0.0, 1.0) * 255.0).round() as u8);
    format!("#{r:02x}{g:02x}{b:02x}")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
