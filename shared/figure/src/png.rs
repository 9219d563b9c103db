//! A figure as pixels.

use embedded_graphics::Drawable;
use embedded_graphics::mono_font::MonoTextStyle;
use embedded_graphics::mono_font::iso_8859_1::{FONT_7X13, FONT_7X13_BOLD, FONT_10X20};
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::Point;
use embedded_graphics::text::Text;

use crate::canvas::{Canvas, Color, Pen, rgb, single};
use crate::figure::{Figure, Mark, Words};

const WHITE: Color = rgb(0xff_ff_ff);

impl Figure {
    /// A PNG, RGB of 8 bits. Equal figures are equal bytes.
    ///
    /// # Errors
    /// The encoder refuses: a figure without pixels.
    pub fn png(&self) -> Result<Vec<u8>, png::EncodingError> {
        let canvas = self.canvas();
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, self.width as u32, self.height as u32);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png::Compression::High);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&canvas.bytes())?;
        writer.finish()?;
        Ok(bytes)
    }

    fn canvas(&self) -> Canvas {
        let mut canvas = Canvas::new(self.width, self.height, WHITE);
        self.marks.iter().for_each(|mark| draw(&mut canvas, mark));
        canvas
    }
}

fn draw(canvas: &mut Canvas, mark: &Mark) {
    match mark {
        Mark::Box { at, size, fill, edge } => {
            if let Some(fill) = fill {
                filled(canvas, *at, *size, *fill);
            }
            if let Some(edge) = edge {
                let ([x, y], [width, height]) = (*at, *size);
                let corners = [[x, y], [x + width, y], [x + width, y + height], [x, y + height], [x, y]];
                joined(canvas, &corners, *edge);
            }
        }
        Mark::Line { points, pen } => joined(canvas, points, *pen),
        Mark::Dot { at, pen, hollow } => {
            canvas.disc(single(*at), *pen);
            if *hollow {
                canvas.disc(single(*at), Pen { width: pen.width - 3.0, color: WHITE, ..*pen });
            }
        }
        Mark::Area { rings, fill } => canvas.area(rings, *fill),
        Mark::Strokes { lines, pen } => canvas.strokes(lines, *pen),
        Mark::Inset { at: [x, y], figure } => {
            canvas.paste(&figure.canvas(), x.round().max(0.0) as usize, y.round().max(0.0) as usize);
        }
        Mark::Text(words) => written(canvas, words),
    }
}

fn filled(canvas: &mut Canvas, [left, top]: [f64; 2], [width, height]: [f64; 2], color: Color) {
    let pixels = |start: f64, length: f64| {
        (start.round().max(0.0) as usize)..((start + length).round().max(0.0) as usize)
    };
    for y in pixels(top, height) {
        for x in pixels(left, width) {
            canvas.blend((x, y), color, 1.0);
        }
    }
}

fn joined(canvas: &mut Canvas, points: &[[f64; 2]], pen: Pen) {
    for pair in points.windows(2) {
        canvas.line(single(pair[0]), single(pair[1]), pen);
    }
}

fn written(canvas: &mut Canvas, words: &Words) {
    let [r, g, b] = words.color.map(|part| (part.clamp(0.0, 1.0) * 255.0).round() as u8);
    let font = match (words.large, words.bold) {
        (true, _) => &FONT_10X20,
        (false, true) => &FONT_7X13_BOLD,
        (false, false) => &FONT_7X13,
    };
    let place = Point::new(words.left().round() as i32, words.at[1].round() as i32);
    let Ok(_) = Text::new(&words.text, place, MonoTextStyle::new(font, Rgb888::new(r, g, b))).draw(canvas);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::Anchor;

    const INK: Color = rgb(0x20_20_20);

    fn figure() -> Figure {
        let mut figure = Figure { width: 60, height: 40, marks: Vec::new() };
        let pen = Pen { width: 2.0, color: rgb(0xd5_5e_00), alpha: 1.0 };
        figure.put(Mark::Box {
            at: [10.0, 10.0],
            size: [20.0, 12.0],
            fill: Some(rgb(0x00_72_b2)),
            edge: Some(pen),
        });
        figure.line([0.0, 35.0], [59.0, 35.0], pen);
        figure.put(Mark::Dot { at: [45.0, 15.0], pen: Pen { width: 9.0, ..pen }, hollow: true });
        figure.text([50.0, 33.0], ("a<b ± 1", Anchor::End), INK);
        figure
    }

    #[test]
    fn the_same_marks_in_both_renderings() {
        let figure = figure();
        let svg = figure.svg();
        assert!(svg.contains(
            r##"<rect x="10.0" y="10.0" width="20.0" height="12.0" fill="#0072b2" stroke="#d55e00""##
        ));
        assert!(
            svg.contains(">a&lt;b ± 1</text>") && svg.contains(r#"points="0.0,35.0 59.0,35.0""#),
            "{svg}"
        );
        let mut reader = png::Decoder::new(std::io::Cursor::new(figure.png().unwrap())).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((info.width, info.height), (60, 40));
        let at = |x: usize, y: usize| [0, 1, 2].map(|part| pixels[(y * 60 + x) * 3 + part]);
        assert_eq!(
            (at(20, 15), at(5, 34), at(45, 15), at(3, 3)),
            ([0x00, 0x72, 0xb2], [0xd5, 0x5e, 0x00], [255; 3], [255; 3])
        );
        // Letters stand above their baseline, and end at their place.
        let is_inked = |x: usize| (22..34).any(|y| at(x, y) == [0x20; 3]);
        assert!((1..50).any(is_inked) && !(50..60).any(is_inked));
    }

    fn pixels(figure: &Figure) -> impl Fn(usize, usize) -> [u8; 3] {
        let width = figure.width;
        let bytes = figure.canvas().bytes();
        move |x, y| [0, 1, 2].map(|part| bytes[(y * width + x) * 3 + part])
    }

    #[test]
    fn areas_have_holes_strokes_are_laid_on_once_and_insets_end_at_their_edge() {
        let square = |from: f64, to: f64| vec![[from, from], [to, from], [to, to], [from, to]];
        let mut inner = Figure { width: 20, height: 20, marks: Vec::new() };
        inner.put(Mark::Area { rings: vec![square(2.0, 30.0), square(6.0, 12.5)], fill: rgb(0x00_00_00) });
        let pen = Pen { width: 3.0, color: rgb(0xff_00_00), alpha: 0.5 };
        let lines =
            vec![vec![[0.0, 30.0], [39.0, 30.0]], vec![[20.0, 22.0], [20.0, 39.0]], vec![[5.0, 35.5]]];
        let mut figure = Figure { width: 40, height: 40, marks: Vec::new() };
        figure.put(Mark::Inset { at: [10.0, 0.0], figure: inner });
        figure.put(Mark::Strokes { lines, pen });
        let at = pixels(&figure);
        assert_eq!([at(11, 1), at(14, 4), at(18, 8), at(29, 19)], [[255; 3], [0; 3], [255; 3], [0; 3]]);
        // Half covered; beyond the inset; where lines cross; a dot.
        assert_eq!([at(22, 8), at(30, 19)], [[128; 3], [255; 3]]);
        assert_eq!([at(20, 30), at(3, 30), at(5, 35)], [[255, 128, 128]; 3]);
        let svg = figure.svg();
        for part in [
            r#"<svg x="10.0" y="0.0" width="20" height="20">"#,
            r##"<path d="M2 2l28 0l0 28l-28 0ZM6 6l6.5 0l0 6.5l-6.5 0Z" fill="#000000" fill-rule="evenodd"/>"##,
            r#"<path d="M0 30l39 0M20 22l0 17M5 35.5h0" fill="none" stroke-linecap="round""#,
        ] {
            assert!(svg.contains(part), "{part} in {svg}");
        }
    }
}
