//! WebP, GIF and TIFF: one picture each, with 8 bits a sample. Animations and several pages are refused.

use std::io::Cursor;

use image_webp::WebPDecoder;
use tiff::decoder::{Decoder as TiffDecoder, DecodingResult, Limits};
use tiff::tags::Tag;
use tiff::{ColorType, TiffError};

use super::codec::{MAX_SIDE, check_side, planar};
use super::{Image, ImageError};

/// What a decoder may hold of an image of the largest sides.
const MAX_BYTES: usize = MAX_SIDE * MAX_SIDE * 4;

pub fn webp(bytes: &[u8]) -> Result<Image, ImageError> {
    let announced = bytes.get(4..8).and_then(|len| len.try_into().ok()).map_or(0, u32::from_le_bytes);
    if bytes.len() as u64 - 8 < u64::from(announced) {
        return Err(ImageError::Damaged("it is shorter than its header says".to_owned()));
    }
    let mut decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(ImageError::damaged)?;
    decoder.set_memory_limit(MAX_BYTES);
    let (width, height) = decoder.dimensions();
    let (width, height) = (width as usize, height as usize);
    check_side(width, height)?;
    if decoder.is_animated() {
        return Err(ImageError::animation("WebP"));
    }
    let stored = if decoder.has_alpha() { 4 } else { 3 };
    let mut samples = vec![0; width * height * stored];
    decoder.read_image(&mut samples).map_err(ImageError::damaged)?;
    Ok(planar(&samples, stored, [3, height, width]))
}

pub fn gif(bytes: &[u8]) -> Result<Image, ImageError> {
    let mut options = gif::DecodeOptions::new();
    options.set_color_output(gif::ColorOutput::Indexed);
    options.set_memory_limit(gif::MemoryLimit::Bytes(
        (MAX_BYTES as u64).try_into().map_err(ImageError::damaged)?,
    ));
    let mut decoder = options.read_info(Cursor::new(bytes)).map_err(ImageError::damaged)?;
    let (width, height) = (usize::from(decoder.width()), usize::from(decoder.height()));
    check_side(width, height)?;
    let frame = decoder.read_next_frame().map_err(ImageError::damaged)?;
    let frame = frame.ok_or_else(|| ImageError::Damaged("it has no picture".to_owned()))?.clone();
    if (usize::from(frame.width), usize::from(frame.height), frame.left, frame.top) != (width, height, 0, 0) {
        return Err(ImageError::unknown("a GIF whose picture does not fill its frame"));
    }
    let palette = decoder.palette().map_err(ImageError::damaged)?.to_vec();
    if decoder.next_frame_info().map_err(ImageError::damaged)?.is_some() {
        return Err(ImageError::animation("GIF"));
    }
    let colors = palette.as_chunks::<3>().0;
    let color = |&index: &u8| colors.get(usize::from(index)).copied();
    let samples: Option<Vec<[u8; 3]>> = frame.buffer.iter().map(color).collect();
    let samples = samples.ok_or_else(|| ImageError::Damaged("a color that is not in its palette".into()))?;
    Ok(planar(samples.as_flattened(), 3, [3, height, width]))
}

pub fn tiff(bytes: &[u8]) -> Result<Image, ImageError> {
    let damaged = |error: TiffError| match error {
        TiffError::UnsupportedError(what) => ImageError::unknown(&format!("a TIFF with {what}")),
        other => ImageError::damaged(other),
    };
    let mut limits = Limits::default();
    limits.decoding_buffer_size = MAX_BYTES;
    limits.intermediate_buffer_size = MAX_BYTES;
    let mut decoder = TiffDecoder::new(Cursor::new(bytes)).map_err(damaged)?.with_limits(limits);
    let (width, height) = decoder.dimensions().map_err(damaged)?;
    let (width, height) = (width as usize, height as usize);
    check_side(width, height)?;
    if decoder.more_images() {
        return Err(ImageError::unknown("a TIFF of several pages"));
    }
    let mut tag = |tag: Tag| decoder.find_tag_unsigned_vec::<u32>(tag).map_err(damaged);
    // PIL turns by the first, un-multiplies by the second.
    if tag(Tag::Orientation)?.is_some_and(|values| values != [1]) {
        return Err(ImageError::unknown("a TIFF that is to be turned"));
    }
    if tag(Tag::ExtraSamples)?.is_some_and(|values| values.contains(&1)) {
        return Err(ImageError::unknown("a TIFF with colors multiplied by their alpha"));
    }
    if tag(Tag::PlanarConfiguration)?.is_some_and(|values| values != [1]) {
        return Err(ImageError::unknown("a TIFF in several planes"));
    }
    let color = decoder.colortype().map_err(damaged)?;
    let (stored, kept) = match color {
        ColorType::Gray(8) => (1, 1),
        ColorType::GrayA(8) => (2, 1),
        ColorType::RGB(8) => (3, 3),
        ColorType::RGBA(8) => (4, 3),
        other => return Err(ImageError::unknown(&format!("a TIFF of {other:?} samples"))),
    };
    let DecodingResult::U8(samples) = decoder.read_image().map_err(damaged)? else {
        return Err(ImageError::unknown("a TIFF of other samples than 8 bits without sign"));
    };
    if samples.len() != width * height * stored {
        return Err(ImageError::Damaged("it has not as many pixels as its header says".to_owned()));
    }
    Ok(planar(&samples, stored, [kept, height, width]))
}
