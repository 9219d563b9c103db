//! A figure as SVG.

use std::fmt::Write;

use crate::canvas::{Color, Pen};
use crate::figure::{Anchor, Figure, Mark, Words, width};

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
        for mark in marks {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{}", element(mark));
        }
        text + "</svg>\n"
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
        Mark::Text(words) => written(words),
    }
}

fn written(words: &Words) -> String {
    let Words { at: [x, y], text, anchor, color, bold } = words;
    let anchor = match anchor {
        Anchor::Start => "start",
        Anchor::Middle => "middle",
        Anchor::End => "end",
    };
    let (color, weight) = (code(*color), if *bold { r#" font-weight="bold""# } else { "" });
    // As wide as the pixels have it, whichever font there is.
    let length = width(text);
    format!(
        r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}" textLength="{length:.0}" fill="{color}"{weight}>{}</text>"#,
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
