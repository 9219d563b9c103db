//! JPEG as PIL reads it: libjpeg-turbo's pixels, or a refusal.

mod libjpeg;

use libjpeg::{Decoded, Refused};

use super::codec::{MAX_SIDE, planar};
use super::{Image, ImageError};

/// Decodes a JPEG. What libjpeg would patch up, as a scan that ends early, is refused.
pub fn decode(bytes: &[u8]) -> Result<Image, ImageError> {
    let Decoded { width, height, channels, samples } =
        libjpeg::decode(bytes, MAX_SIDE).map_err(|refused| match refused {
            Refused::TooLarge { width, height } => ImageError::TooLarge { width, height, limit: MAX_SIDE },
            Refused::Damaged(detail) => ImageError::damaged(detail),
        })?;
    if channels == 4 {
        return Ok(planar(&rgb_of_cmyk(&samples), 3, [3, height, width]));
    }
    Ok(planar(&samples, channels, [channels, height, width]))
}

/// PIL takes every JPEG in four colors for one of Adobe's, which are stored inverted; then its own conversion.
fn rgb_of_cmyk(stored: &[u8]) -> Vec<u8> {
    let rgb = |&[c, m, y, k]: &[u8; 4]| {
        let k = u32::from(k);
        [c, m, y].map(|inverted| {
            let rounded = (255 - u32::from(inverted)) * k + 128;
            (k - (((rounded >> 8) + rounded) >> 8)) as u8
        })
    };
    stored.as_chunks().0.iter().flat_map(rgb).collect()
}
