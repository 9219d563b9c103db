//! Encoded images to pixels, as PIL's `convert("RGB")` has them, but that grey stays one channel: palettes become RGB,
//! transparency is dropped, 16 bits become 8. What would not come out as there is refused by name.

use std::io::{Cursor, ErrorKind};

use png::{BitDepth, ColorType, Transformations};

use super::{HEAD_BYTES, Image, ImageError, bmp, jpeg, others, pnm};
use crate::sniff;

/// No image of a dataset comes near this; it keeps a damaged header from asking for gigabytes.
pub const MAX_SIDE: usize = 8192;

/// Decodes by content, whatever the name was.
pub fn decode(bytes: &[u8]) -> Result<Image, ImageError> {
    decoder(bytes).ok_or_else(|| unknown(bytes)).and_then(|decode| decode(bytes))
}

/// The shape that [`decode`] would give, of a PNG by its first bytes; `None` of other formats, and where they do not tell.
pub fn shape(head: &[u8]) -> Result<Option<[usize; 3]>, ImageError> {
    if !head.starts_with(b"\x89PNG") {
        return if decoder(head).is_some() { Ok(None) } else { Err(unknown(head)) };
    }
    let reader = match png::Decoder::new(Cursor::new(head)).read_info() {
        Ok(reader) => reader,
        // More stands in front of the pixels than was read.
        Err(png::DecodingError::IoError(error))
            if error.kind() == ErrorKind::UnexpectedEof && head.len() as u64 == HEAD_BYTES =>
        {
            return Ok(None);
        }
        Err(error) => return Err(ImageError::damaged(error)),
    };
    let (width, height) = (reader.info().width as usize, reader.info().height as usize);
    check_side(width, height)?;
    let is_grey = matches!(reader.info().color_type, ColorType::Grayscale | ColorType::GrayscaleAlpha);
    Ok(Some([if is_grey { 1 } else { 3 }, height, width]))
}

type Decoder = fn(&[u8]) -> Result<Image, ImageError>;

fn decoder(bytes: &[u8]) -> Option<Decoder> {
    Some(match bytes {
        [0x89, b'P', b'N', b'G', ..] => decode_png,
        [0xff, 0xd8, 0xff, ..] => jpeg::decode,
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => others::webp,
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => others::gif,
        [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => others::tiff,
        [b'B', b'M', ..] => bmp::decode,
        [b'P', b'1'..=b'7', b' ' | b'\t' | b'\r' | b'\n', ..] => pnm::decode,
        _ => return None,
    })
}

fn unknown(bytes: &[u8]) -> ImageError {
    ImageError::Damaged(match sniff::described(&bytes[..bytes.len().min(sniff::HEAD_BYTES)]) {
        Some(name) => format!("it is {name}"),
        None => "neither PNG nor JPEG, WebP, BMP, GIF, TIFF, PGM or PPM".to_owned(),
    })
}

fn decode_png(bytes: &[u8]) -> Result<Image, ImageError> {
    let damaged = |error: png::DecodingError| ImageError::damaged(error);
    let mut options = png::DecodeOptions::default();
    options.set_ignore_adler32(false);
    let mut decoder = png::Decoder::new_with_options(Cursor::new(bytes), options);
    decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
    let mut reader = decoder.read_info().map_err(damaged)?;
    let (width, height) = (reader.info().width as usize, reader.info().height as usize);
    check_side(width, height)?;
    if reader.info().animation_control().is_some_and(|control| control.num_frames > 1) {
        return Err(ImageError::animation("PNG"));
    }
    if let (ColorType::Grayscale, BitDepth::Sixteen) = (reader.info().color_type, reader.info().bit_depth) {
        // PIL clips what is above 255, other readers take the high byte.
        return Err(ImageError::unknown("a PNG of grey samples of 16 bits"));
    }
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

pub fn check_side(width: usize, height: usize) -> Result<(), ImageError> {
    if width == 0 || height == 0 {
        return Err(ImageError::Damaged(format!("its size is {width}x{height}")));
    }
    if width > MAX_SIDE || height > MAX_SIDE {
        return Err(ImageError::TooLarge { width, height, limit: MAX_SIDE });
    }
    Ok(())
}

/// `[H, W, stored]` samples to the first channels of `[C, H, W]`.
pub fn planar(samples: &[u8], stored: usize, shape: [usize; 3]) -> Image {
    let mut pixels = Vec::with_capacity(shape.iter().product());
    for channel in 0..shape[0] {
        pixels.extend(samples.chunks_exact(stored).map(|sample| sample[channel]));
    }
    Image { shape, pixels }
}
