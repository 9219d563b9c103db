//! Encoded images to pixels, as PIL's `convert` would have them: grey stays one channel, palettes become RGB,
//! transparency is dropped, 16 bits become 8.

use std::io::Cursor;

use png::{BitDepth, ColorType, Transformations};
use zune_core::{colorspace::ColorSpace, options::DecoderOptions};
use zune_jpeg::JpegDecoder;

use super::{Image, ImageError};

/// No image of a dataset comes near this; it keeps a damaged header from asking for gigabytes.
pub const MAX_SIDE: usize = 8192;

/// Whether a file of this name is read as an image.
pub fn is_image(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    [".png", ".jpg", ".jpeg"].iter().any(|extension| name.ends_with(extension))
}

/// Decodes by content, whatever the name was.
pub fn decode(bytes: &[u8]) -> Result<Image, ImageError> {
    match bytes {
        [0x89, b'P', b'N', b'G', ..] => decode_png(bytes),
        [0xff, 0xd8, ..] => decode_jpeg(bytes),
        [] => Err(ImageError::Damaged("it is empty".to_owned())),
        _ => Err(ImageError::Damaged("neither PNG nor JPEG".to_owned())),
    }
}

fn decode_png(bytes: &[u8]) -> Result<Image, ImageError> {
    let damaged = |error: png::DecodingError| ImageError::damaged(error);
    let mut decoder = png::Decoder::new(Cursor::new(bytes));
    decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
    let mut reader = decoder.read_info().map_err(damaged)?;
    let (width, height) = (reader.info().width as usize, reader.info().height as usize);
    check_side(width, height)?;
    let size = reader.output_buffer_size().ok_or_else(|| ImageError::Damaged("its size overflows".into()))?;
    let mut samples = vec![0; size];
    let info = reader.next_frame(&mut samples).map_err(damaged)?;
    if info.bit_depth != BitDepth::Eight {
        return Err(ImageError::Damaged(format!("{:?} samples", info.bit_depth)));
    }
    let (stored, kept) = match info.color_type {
        ColorType::Grayscale => (1, 1),
        ColorType::GrayscaleAlpha => (2, 1),
        ColorType::Rgb => (3, 3),
        ColorType::Rgba => (4, 3),
        ColorType::Indexed => return Err(ImageError::Damaged("a palette that does not expand".into())),
    };
    Ok(planar(&samples, stored, [kept, height, width]))
}

fn decode_jpeg(bytes: &[u8]) -> Result<Image, ImageError> {
    let options = || {
        // Strict: a truncated scan is an error, as in PIL, not a grey area.
        DecoderOptions::default().set_strict_mode(true).set_max_width(MAX_SIDE).set_max_height(MAX_SIDE)
    };
    let damaged = |error: zune_jpeg::errors::DecodeErrors| ImageError::damaged(format!("{error:?}"));
    let mut decoder = JpegDecoder::new_with_options(Cursor::new(bytes), options());
    decoder.decode_headers().map_err(damaged)?;
    let grey = decoder.input_colorspace() == Some(ColorSpace::Luma);
    let info = decoder.info().ok_or_else(|| ImageError::Damaged("it has no header".to_owned()))?;
    let (channels, colors) = if grey { (1, ColorSpace::Luma) } else { (3, ColorSpace::RGB) };
    decoder.set_options(options().jpeg_set_out_colorspace(colors));
    let samples = decoder.decode().map_err(damaged)?;
    let shape = [channels, usize::from(info.height), usize::from(info.width)];
    if samples.len() != shape.iter().product::<usize>() {
        return Err(ImageError::Damaged("it has not as many pixels as its header says".to_owned()));
    }
    Ok(planar(&samples, channels, shape))
}

fn check_side(width: usize, height: usize) -> Result<(), ImageError> {
    if width > MAX_SIDE || height > MAX_SIDE || width == 0 || height == 0 {
        return Err(ImageError::TooLarge { width, height, limit: MAX_SIDE });
    }
    Ok(())
}

/// `[H, W, stored]` samples to the first channels of `[C, H, W]`.
pub fn planar(samples: &[u8], stored: usize, shape: [usize; 3]) -> Image {
    let channel = |c: usize| samples.iter().skip(c).step_by(stored).copied();
    Image { shape, pixels: (0..shape[0]).flat_map(channel).collect() }
}
