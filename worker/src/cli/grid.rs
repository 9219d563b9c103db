//! Images side by side in one PNG.

use anyhow::Context;

/// Shape of one image.
#[derive(Clone, Copy, Debug)]
pub struct ImageShape {
    pub channels: usize,
    pub height: usize,
    pub width: usize,
}

/// Lays out `images` (uint8 `[N, C, H, W]`, C = 1 or 3) row by row in a grid that is about square.
pub fn png(images: &[u8], shape: ImageShape) -> anyhow::Result<Vec<u8>> {
    let ImageShape { channels, height, width } = shape;
    let image_len = channels * height * width;
    let num_images = images.len() / image_len;
    let columns = (num_images as f64).sqrt().ceil() as usize;
    let rows = num_images.div_ceil(columns);
    let line_len = columns * width * channels;
    let mut canvas = vec![0; rows * height * line_len];
    for (i, image) in images.chunks_exact(image_len).enumerate() {
        let corner = (i / columns) * height * line_len + (i % columns) * width * channels;
        for (at, value) in image.iter().enumerate() {
            let (channel, pixel) = (at / (height * width), at % (height * width));
            canvas[corner + (pixel / width) * line_len + (pixel % width) * channels + channel] = *value;
        }
    }
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, (columns * width) as u32, (rows * height) as u32);
    encoder.set_color(if channels == 1 { png::ColorType::Grayscale } else { png::ColorType::Rgb });
    encoder.set_depth(png::BitDepth::Eight);
    encoder.write_header().and_then(|mut w| w.write_image_data(&canvas)).context("cannot encode the PNG")?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_interleaved_and_images_laid_out_in_rows() {
        let shape = ImageShape { channels: 3, height: 1, width: 2 };
        let images: Vec<u8> = (0..18).collect();
        let bytes = png(&images, shape).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
        let mut canvas = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut canvas).unwrap();
        assert_eq!((info.width, info.height), (4, 2));
        assert_eq!(canvas[..12], [0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11]);
        assert_eq!(canvas[12..], [12, 14, 16, 13, 15, 17, 0, 0, 0, 0, 0, 0]);
    }
}
