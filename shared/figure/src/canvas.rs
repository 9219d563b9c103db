//! Pixels to draw on, with edges that are smooth.

use std::convert::Infallible;

use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::{DrawTarget, OriginDimensions, Pixel, Point, RgbColor, Size};

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

/// Lines across each row of pixels along which areas are measured.
const SCANS: usize = 4;

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

    /// Everything closer than half the pen's width to the line between two points.
    pub fn line(&mut self, from: [f32; 2], to: [f32; 2], pen: Pen) {
        let size = [self.width, self.height];
        near((from, to), pen.width, size, |at, cover| self.blend(at, pen.color, pen.alpha * cover));
    }

    /// Many lines as one: where they cross or meet, nothing is laid on twice. A line of one point is a dot.
    pub fn strokes(&mut self, lines: &[Vec<[f64; 2]>], pen: Pen) {
        let (size, width) = ([self.width, self.height], self.width);
        let mut covers = vec![0.0_f32; self.width * self.height];
        let mut add = |(x, y): (usize, usize), cover: f32| {
            let old = &mut covers[y * width + x];
            *old = old.max(cover);
        };
        for line in lines {
            if let [point] = line[..] {
                near((single(point), single(point)), pen.width, size, &mut add);
            }
            for pair in line.windows(2) {
                near((single(pair[0]), single(pair[1])), pen.width, size, &mut add);
            }
        }
        for (i, cover) in covers.into_iter().enumerate() {
            self.blend((i % width, i / width), pen.color, pen.alpha * cover);
        }
    }

    /// What an odd number of closed lines encloses.
    pub fn area(&mut self, rings: &[Vec<[f64; 2]>], color: Color) {
        let edges: Vec<[[f64; 2]; 2]> = rings
            .iter()
            .flat_map(|ring| (0..ring.len()).map(|i| [ring[i], ring[(i + 1) % ring.len()]]))
            .collect();
        let mut covers = vec![0.0_f32; self.width];
        for y in 0..self.height {
            let (top, bottom) = (y as f64, y as f64 + 1.0);
            let near = |edge: &&[[f64; 2]; 2]| {
                edge[0][1].min(edge[1][1]) < bottom && edge[0][1].max(edge[1][1]) > top
            };
            let edges: Vec<_> = edges.iter().filter(near).collect();
            covers.fill(0.0);
            for scan in 0..SCANS {
                scan_line(&mut covers, &edges, top + (scan as f64 + 0.5) / SCANS as f64);
            }
            for (x, cover) in covers.iter().enumerate() {
                self.blend((x, y), color, cover / SCANS as f32);
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
}

/// Calls `act` with every pixel of a picture of `size` that is closer than half of `width` to the line between two
/// points, and with how much of it is covered.
fn near(
    (from, to): ([f32; 2], [f32; 2]),
    width: f32,
    size: [usize; 2],
    mut act: impl FnMut((usize, usize), f32),
) {
    let radius = 0.5 * width;
    let reach = radius + 1.0;
    let span = |k: usize| {
        let (low, high) = (from[k].min(to[k]) - reach, from[k].max(to[k]) + reach);
        (low.max(0.0) as usize)..((high.max(0.0) as usize + 1).min(size[k]))
    };
    let (dx, dy) = (to[0] - from[0], to[1] - from[1]);
    let square = (dx * dx + dy * dy).max(1e-12);
    for y in span(1) {
        for x in span(0) {
            let (px, py) = (x as f32 + 0.5 - from[0], y as f32 + 0.5 - from[1]);
            let along = ((px * dx + py * dy) / square).clamp(0.0, 1.0);
            let distance = (px - along * dx).hypot(py - along * dy);
            act((x, y), (radius - distance + 0.5).clamp(0.0, 1.0));
        }
    }
}

/// Adds to each pixel of a row how much of it lies between an odd crossing and the next, at height `y`.
fn scan_line(covers: &mut [f32], edges: &[&[[f64; 2]; 2]], y: f64) {
    let crosses = |edge: &&&[[f64; 2]; 2]| (edge[0][1] <= y) != (edge[1][1] <= y);
    let place = |edge: &&[[f64; 2]; 2]| {
        let [[x0, y0], [x1, y1]] = **edge;
        (x0 + (y - y0) / (y1 - y0) * (x1 - x0)).clamp(0.0, covers.len() as f64)
    };
    let mut crossings: Vec<f64> = edges.iter().filter(crosses).map(place).collect();
    crossings.sort_by(f64::total_cmp);
    for pair in crossings.as_chunks::<2>().0 {
        let [left, right] = *pair;
        for (x, cover) in covers.iter_mut().enumerate().take(right.ceil() as usize).skip(left as usize) {
            *cover += (right.min(x as f64 + 1.0) - left.max(x as f64)).max(0.0) as f32;
        }
    }
}

/// A place in float32.
pub(crate) fn single([x, y]: [f64; 2]) -> [f32; 2] {
    [x as f32, y as f32]
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
