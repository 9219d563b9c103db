//! Pixels to draw on, with edges that are smooth.

use std::convert::Infallible;

use embedded_graphics::Drawable;
use embedded_graphics::mono_font::{MonoTextStyle, ascii::FONT_10X20};
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::{DrawTarget, OriginDimensions, Pixel, Point, RgbColor, Size};
use embedded_graphics::text::{Alignment, Text};

/// Red, green and blue, each 0 to 1.
pub type Color = [f32; 3];

/// What lines and dots are drawn with.
#[derive(Clone, Copy, Debug)]
pub struct Pen {
    /// In pixels.
    pub width: f32,
    pub color: Color,
    /// 0 to 1.
    pub alpha: f32,
}

/// `0xrrggbb`.
pub const fn rgb(code: u32) -> Color {
    [part(code, 16), part(code, 8), part(code, 0)]
}

const fn part(code: u32, shift: u32) -> f32 {
    ((code >> shift) & 0xff) as f32 / 255.0
}

/// A picture in the making; places are in pixels from the upper left corner.
#[derive(Clone, Debug)]
pub struct Canvas {
    pub width: usize,
    pub height: usize,
    pixels: Vec<Color>,
}

impl Canvas {
    pub fn new(width: usize, height: usize, background: Color) -> Self {
        Self { width, height, pixels: vec![background; width * height] }
    }

    /// RGB, 8 bits each, row by row.
    pub fn bytes(&self) -> Vec<u8> {
        self.pixels.iter().flatten().map(|part| (part.clamp(0.0, 1.0) * 255.0).round() as u8).collect()
    }

    /// Lays `color` over a pixel; `cover` is how much of it is covered, 0 to 1.
    pub fn blend(&mut self, (x, y): (usize, usize), color: Color, cover: f32) {
        if x < self.width && y < self.height && cover > 0.0 {
            let pixel = &mut self.pixels[y * self.width + x];
            for (old, new) in pixel.iter_mut().zip(color) {
                *old += (new - *old) * cover.min(1.0);
            }
        }
    }

    /// A dot as wide as the pen.
    pub fn disc(&mut self, center: [f32; 2], pen: Pen) {
        self.line(center, center, pen);
    }

    /// A line with a head at `to`.
    pub fn arrow(&mut self, from: [f32; 2], to: [f32; 2], pen: Pen) {
        let (dx, dy) = (to[0] - from[0], to[1] - from[1]);
        let length = dx.hypot(dy);
        self.line(from, to, pen);
        if length > 1.0 {
            let head = (0.4 * length).min(4.0 * pen.width);
            let (ux, uy) = (dx / length * head, dy / length * head);
            for side in [0.5, -0.5] {
                let end = [to[0] - ux - side * uy, to[1] - uy + side * ux];
                self.line(to, end, pen);
            }
        }
    }

    /// Everything closer than half the pen's width to the line between two points.
    pub fn line(&mut self, from: [f32; 2], to: [f32; 2], pen: Pen) {
        let radius = 0.5 * pen.width;
        let reach = radius + 1.0;
        let span = |k: usize, end: usize| {
            let (low, high) = (from[k].min(to[k]) - reach, from[k].max(to[k]) + reach);
            (low.max(0.0) as usize)..((high.max(0.0) as usize + 1).min(end))
        };
        let (dx, dy) = (to[0] - from[0], to[1] - from[1]);
        let square = (dx * dx + dy * dy).max(1e-12);
        for y in span(1, self.height) {
            for x in span(0, self.width) {
                let (px, py) = (x as f32 + 0.5 - from[0], y as f32 + 0.5 - from[1]);
                let along = ((px * dx + py * dy) / square).clamp(0.0, 1.0);
                let distance = (px - along * dx).hypot(py - along * dy);
                self.blend((x, y), pen.color, pen.alpha * (radius - distance + 0.5).clamp(0.0, 1.0));
            }
        }
    }

    /// Copies another picture to `(left, top)`.
    pub fn paste(&mut self, other: &Self, left: usize, top: usize) {
        for y in 0..other.height {
            for x in 0..other.width {
                self.blend((left + x, top + y), other.pixels[y * other.width + x], 1.0);
            }
        }
    }

    /// A line of text, its middle at `center`, on the baseline `bottom`.
    pub fn text(&mut self, text: &str, center: usize, bottom: usize) {
        let style = MonoTextStyle::new(&FONT_10X20, Rgb888::new(0x20, 0x20, 0x20));
        let place = Point::new(center as i32, bottom as i32);
        let Ok(_) = Text::with_alignment(text, place, style, Alignment::Center).draw(self);
    }
}

impl OriginDimensions for Canvas {
    fn size(&self) -> Size {
        Size::new(self.width as u32, self.height as u32)
    }
}

impl DrawTarget for Canvas {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        for Pixel(Point { x, y }, color) in pixels {
            if let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y)) {
                let color = [color.r(), color.g(), color.b()].map(|part| f32::from(part) / 255.0);
                self.blend((x, y), color, 1.0);
            }
        }
        Ok(())
    }
}
