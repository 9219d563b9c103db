//! Windows bitmaps without compression: palettes of 1, 4 or 8 bits, 24 and 32 bits.

use super::codec::{check_side, planar};
use super::{Image, ImageError};

const FILE_HEADER_BYTES: usize = 14;
/// Bit masks of red, green, blue where they stand as without masks.
const USUAL_MASKS: [u32; 3] = [0x00ff_0000, 0x0000_ff00, 0x0000_00ff];

struct Header {
    width: usize,
    height: usize,
    /// Its first row is the picture's last.
    bottom_up: bool,
    bits: usize,
    /// Blue, green, red.
    palette: Vec<[u8; 3]>,
    /// Where the rows begin.
    start: usize,
}

/// Reads a bitmap; the fourth byte of 32 bits is dropped.
pub fn decode(bytes: &[u8]) -> Result<Image, ImageError> {
    let header = Header::read(bytes)?;
    let Header { width, height, bits, start, .. } = header;
    let stride = (width * bits).div_ceil(32) * 4;
    let rows = bytes.get(start..).and_then(|rows| rows.get(..stride * height));
    let rows = rows.ok_or_else(|| ImageError::Damaged("it has fewer pixels than its header says".into()))?;
    let mut samples = Vec::with_capacity(width * height * 3);
    for y in 0..height {
        let y = if header.bottom_up { height - 1 - y } else { y };
        let row = &rows[y * stride..(y + 1) * stride];
        for x in 0..width {
            let [b, g, r] = match bits {
                24 | 32 => [row[x * bits / 8], row[x * bits / 8 + 1], row[x * bits / 8 + 2]],
                _ => {
                    let index = row[x * bits / 8] >> (8 - bits - x * bits % 8) & (u8::MAX >> (8 - bits));
                    let color = header.palette.get(usize::from(index)).copied();
                    color.ok_or_else(|| ImageError::Damaged("a color that is not in its palette".into()))?
                }
            };
            samples.extend([r, g, b]);
        }
    }
    Ok(planar(&samples, 3, [3, height, width]))
}

impl Header {
    fn read(bytes: &[u8]) -> Result<Self, ImageError> {
        let short = || ImageError::Damaged("it ends in its header".to_owned());
        let u16_at = |at: usize| bytes.get(at..at + 2)?.try_into().ok().map(u16::from_le_bytes);
        let u32_at = |at: usize| bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes);
        let read = |value: Option<u32>| value.ok_or_else(short);
        let len = read(u32_at(14))? as usize;
        let (is_old, at) = (len == 12, FILE_HEADER_BYTES);
        if !matches!(len, 12 | 40 | 52 | 56 | 64 | 108 | 124) {
            return Err(ImageError::unknown(&format!("a bitmap with a header of {len} bytes")));
        }
        let (width, height, bits, compression, used) = if is_old {
            let small = |at| u16_at(at).map(u32::from);
            (read(small(at + 4))?, read(small(at + 6))? as i32, read(small(at + 10))?, 0, 0)
        } else {
            let (width, height) = (read(u32_at(at + 4))?, read(u32_at(at + 8))? as i32);
            (
                width,
                height,
                read(u16_at(at + 14).map(u32::from))?,
                read(u32_at(at + 16))?,
                read(u32_at(at + 32))?,
            )
        };
        let has_masks = compression == 3 && bits == 32;
        if has_masks && (0..3).any(|i| u32_at(at + 40 + 4 * i) != Some(USUAL_MASKS[i])) {
            return Err(ImageError::unknown("a bitmap with its colors in an unusual place"));
        }
        if (compression != 0 && !has_masks) || !matches!(bits, 1 | 4 | 8 | 24 | 32) {
            return Err(ImageError::unknown(&format!("a bitmap of {bits} bits, compression {compression}")));
        }
        let (width, bottom_up, height) = (width as usize, height > 0, height.unsigned_abs() as usize);
        check_side(width, height)?;
        let entry = if is_old { 3 } else { 4 };
        let colors = if bits > 8 { 0 } else { 1_usize << bits };
        let colors = if used == 0 { colors } else { colors.min(used as usize) };
        let table = bytes.get(at + len..at + len + colors * entry).ok_or_else(short)?;
        let palette = table.chunks_exact(entry).map(|color| [color[0], color[1], color[2]]).collect();
        let start = read(u32_at(10))? as usize;
        Ok(Self { width, height, bottom_up, bits: bits as usize, palette, start })
    }
}
