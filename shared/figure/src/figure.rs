//! What a picture is made of.

use crate::canvas::{Color, Pen};

/// A picture: marks on white, the later above the earlier. Places are in pixels from the upper left corner.
#[derive(Clone, Debug, Default)]
pub struct Figure {
    pub width: usize,
    pub height: usize,
    pub marks: Vec<Mark>,
}

/// A shape or a line of text.
#[derive(Clone, Debug)]
pub enum Mark {
    /// A rectangle, filled, and with an edge where there is a pen; both are opaque.
    Box { at: [f64; 2], size: [f64; 2], fill: Option<Color>, edge: Option<Pen> },
    /// Straight lines from point to point.
    Line { points: Vec<[f64; 2]>, pen: Pen },
    /// A dot as wide as the pen; a hollow one is white within.
    Dot { at: [f64; 2], pen: Pen, hollow: bool },
    /// What an odd number of closed lines encloses, so that one within another leaves a hole.
    Area { rings: Vec<Vec<[f64; 2]>>, fill: Color },
    /// Many lines with round ends, as one: where they cross, nothing is laid on twice. A line of one point is a dot.
    Strokes { lines: Vec<Vec<[f64; 2]>>, pen: Pen },
    /// A picture in the picture, from its upper left corner; what lies beyond its edges does not show.
    Inset { at: [f64; 2], figure: Figure },
    /// A line of text.
    Text(Words),
}

/// Where a line of text stands from its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    Start,
    Middle,
    End,
}

/// A line of text in letters of one width; PNG knows those of Latin-1.
#[derive(Clone, Debug)]
pub struct Words {
    /// On the baseline.
    pub at: [f64; 2],
    pub text: String,
    pub anchor: Anchor,
    pub color: Color,
    /// Of twice the weight of its surroundings.
    pub bold: bool,
    /// Half as large again.
    pub large: bool,
}

impl Figure {
    /// Adds a mark.
    pub fn put(&mut self, mark: Mark) {
        self.marks.push(mark);
    }

    /// Adds a line between two points.
    pub fn line(&mut self, from: [f64; 2], to: [f64; 2], pen: Pen) {
        self.put(Mark::Line { points: vec![from, to], pen });
    }

    /// Adds plain text.
    pub fn text(&mut self, at: [f64; 2], (text, anchor): (impl Into<String>, Anchor), color: Color) {
        self.put(Mark::Text(Words { at, text: text.into(), anchor, color, bold: false, large: false }));
    }

    /// Adds large text.
    pub fn large(&mut self, at: [f64; 2], (text, anchor): (impl Into<String>, Anchor), color: Color) {
        self.put(Mark::Text(Words { at, text: text.into(), anchor, color, bold: false, large: true }));
    }

    /// Adds bold text.
    pub fn bold(&mut self, at: [f64; 2], (text, anchor): (impl Into<String>, Anchor), color: Color) {
        self.put(Mark::Text(Words { at, text: text.into(), anchor, color, bold: true, large: false }));
    }
}

impl Words {
    /// How wide it is, in pixels.
    pub(crate) fn width(&self) -> f64 {
        let letter = if self.large { 10.0 } else { 7.0 };
        letter * self.text.chars().count() as f64
    }

    /// Where it begins.
    pub(crate) fn left(&self) -> f64 {
        match self.anchor {
            Anchor::Start => self.at[0],
            Anchor::Middle => self.at[0] - self.width() / 2.0,
            Anchor::End => self.at[0] - self.width(),
        }
    }
}
