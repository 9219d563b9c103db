//! Contact sheets: the same seeds of every run, panels stacked in the order of the runs.

use std::collections::BTreeMap;

/// Rows and columns of a panel.
pub const SIDE: usize = 10;
const GUTTER: usize = 2;
const SEPARATOR: usize = 8;
const INK: [u8; 3] = [0x2b, 0x2b, 0x31];
/// Of the separator: seen on light pages and dark.
const BAND: [u8; 3] = [0xb4, 0xae, 0xa4];
/// Cells are enlarged up to this, threefold at most.
const MIN_CELL: usize = 84;
/// Cells are reduced to this at most.
const MAX_CELL: usize = 128;

/// One picture, uint8 [channels, height, width] with one channel (grey) or three (RGB).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// [channels, height, width].
    pub shape: [usize; 3],
    /// Channel by channel, row by row.
    pub pixels: Vec<u8>,
}

/// A row of a panel: seeds of one class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The class; negative without one.
    pub label: i64,
    /// Its first seeds.
    pub seeds: Vec<u64>,
}

/// Why there is no sheet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SheetError {
    /// Pictures must agree, and be grey or RGB.
    #[error(
        "pictures of shape `{0:?}` cannot be shown: a sheet needs uint8 [1 or 3, H, W], all of one shape"
    )]
    Shape([usize; 3]),
    /// Nothing was picked.
    #[error("there are no pictures to show")]
    Empty,
    /// The encoder refused.
    #[error("png: {0}")]
    Png(String),
}

/// Collects the first seeds of each class until there are enough for a panel.
#[derive(Clone, Debug, Default)]
pub struct Picker {
    seen: BTreeMap<i64, Vec<u64>>,
}

impl Picker {
    /// Adds an image's seed and label, in seed order.
    pub fn add(&mut self, seed: u64, label: i64) {
        // A single class may fill the whole panel.
        let seeds = self.seen.entry(label).or_default();
        if seeds.len() < SIDE * SIDE {
            seeds.push(seed);
        }
    }

    /// Whether more images would change nothing: ten classes have ten seeds.
    pub fn is_full(&self) -> bool {
        self.seen.values().filter(|seeds| seeds.len() >= SIDE).count() >= SIDE
    }

    /// Up to ten rows of up to ten seeds: the classes with the most seeds, in order of class. One class alone fills
    /// all rows.
    pub fn rows(self) -> Vec<Row> {
        if self.seen.len() == 1 {
            let lines = self
                .seen
                .iter()
                .flat_map(|(&label, seeds)| seeds.chunks(SIDE).map(move |part| (label, part)));
            return lines.map(|(label, part)| Row { label, seeds: part.to_vec() }).collect();
        }
        let mut classes: Vec<Row> = (self.seen.into_iter())
            .map(|(label, seeds)| Row { label, seeds: seeds.into_iter().take(SIDE).collect() })
            .collect();
        classes.sort_by_key(|row| std::cmp::Reverse(row.seeds.len()));
        classes.truncate(SIDE);
        classes.sort_by_key(|row| row.label);
        classes
    }
}

/// A PNG of panels, each given as rows of pictures; `None` leaves a cell empty. Small pictures are enlarged two- or
/// threefold without smoothing, large ones reduced by averaging.
pub fn png(panels: &[Vec<Vec<Option<Picture>>>]) -> Result<Vec<u8>, SheetError> {
    let mut pictures = panels.iter().flatten().flatten().flatten();
    let shape = pictures.next().ok_or(SheetError::Empty)?.shape;
    let fits = |picture: &Picture| {
        picture.shape == shape
            && picture.pixels.len() == shape.iter().product::<usize>()
            && !picture.pixels.is_empty()
    };
    if let Some(odd) = panels.iter().flatten().flatten().flatten().find(|picture| !fits(picture)) {
        return Err(SheetError::Shape(odd.shape));
    }
    let scale = Scale::of(shape)?;
    let columns = panels.iter().flatten().map(Vec::len).max().unwrap_or_default();
    let (cell_height, cell_width) = scale.cell();
    let panel_height = |rows: usize| rows * (cell_height + GUTTER) + GUTTER;
    let width = columns * (cell_width + GUTTER) + GUTTER;
    let height = panels.iter().map(|rows| panel_height(rows.len())).sum::<usize>()
        + SEPARATOR * (panels.len().saturating_sub(1));
    let mut canvas = Canvas { width, pixels: BAND.repeat(width * height) };
    let mut top = 0;
    for rows in panels {
        canvas.pixels[top * width * 3..][..panel_height(rows.len()) * width * 3]
            .copy_from_slice(&INK.repeat(width * panel_height(rows.len())));
        for (r, row) in rows.iter().enumerate() {
            for (c, picture) in row.iter().enumerate() {
                if let Some(picture) = picture {
                    let at = (top + GUTTER + r * (cell_height + GUTTER), GUTTER + c * (cell_width + GUTTER));
                    canvas.draw(picture, at, scale);
                }
            }
        }
        top += panel_height(rows.len()) + SEPARATOR;
    }
    encode(&canvas, height)
}

#[derive(Clone, Copy)]
struct Scale {
    shape: [usize; 3],
    up: usize,
    down: usize,
}

impl Scale {
    fn of(shape: [usize; 3]) -> Result<Self, SheetError> {
        let [channels, height, width] = shape;
        let largest = height.max(width);
        if !matches!(channels, 1 | 3) || largest == 0 {
            return Err(SheetError::Shape(shape));
        }
        Ok(Self { shape, up: (MIN_CELL / largest).clamp(1, 3), down: largest.div_ceil(MAX_CELL) })
    }

    fn cell(self) -> (usize, usize) {
        let [_, height, width] = self.shape;
        ((height * self.up).div_ceil(self.down), (width * self.up).div_ceil(self.down))
    }

    /// The value of a cell's pixel in one channel: the mean of the source pixels under it.
    fn sample(self, picture: &Picture, channel: usize, (y, x): (usize, usize)) -> u8 {
        let [_, height, width] = self.shape;
        let (y, x) = (y * self.down / self.up, x * self.down / self.up);
        let (ys, xs) = (y..(y + self.down).min(height), x..(x + self.down).min(width));
        let count = ys.len() * xs.len();
        let values = ys.flat_map(|y| xs.clone().map(move |x| (channel * height + y) * width + x));
        let sum: usize = values.map(|at| usize::from(picture.pixels[at])).sum();
        ((sum + count / 2) / count.max(1)) as u8
    }
}

struct Canvas {
    width: usize,
    /// RGB.
    pixels: Vec<u8>,
}

impl Canvas {
    fn draw(&mut self, picture: &Picture, (top, left): (usize, usize), scale: Scale) {
        let (height, width) = scale.cell();
        for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
            let at = ((top + y) * self.width + left + x) * 3;
            for channel in 0..3 {
                let source = channel.min(scale.shape[0] - 1);
                self.pixels[at + channel] = scale.sample(picture, source, (y, x));
            }
        }
    }
}

fn encode(canvas: &Canvas, height: usize) -> Result<Vec<u8>, SheetError> {
    let refused = |error: png::EncodingError| SheetError::Png(error.to_string());
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, canvas.width as u32, height as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::High);
    let mut writer = encoder.write_header().map_err(refused)?;
    writer.write_image_data(&canvas.pixels).map_err(refused)?;
    writer.finish().map_err(refused)?;
    Ok(bytes)
}
