//! Netpbm's binary grey and color images, with 8 bits a sample.

use super::codec::{check_side, planar};
use super::{Image, ImageError};

/// Reads `P5` and `P6`.
pub fn decode(bytes: &[u8]) -> Result<Image, ImageError> {
    let channels = match bytes.get(1) {
        Some(b'5') => 1,
        Some(b'6') => 3,
        _ => return Err(ImageError::unknown("Netpbm other than binary grey (P5) or color (P6)")),
    };
    let mut rest = &bytes[2..];
    let mut number = || {
        let value = read_number(&mut rest);
        value.ok_or_else(|| ImageError::Damaged("its header is no Netpbm header".to_owned()))
    };
    let (width, height, max) = (number()?, number()?, number()?);
    if max != 255 {
        return Err(ImageError::unknown(&format!("Netpbm with samples up to `{max}` where 255 is read")));
    }
    check_side(width, height)?;
    // One white space, then the samples.
    let samples = rest.get(1..1 + width * height * channels);
    let samples =
        samples.ok_or_else(|| ImageError::Damaged("it has fewer pixels than its header says".into()))?;
    Ok(planar(samples, channels, [channels, height, width]))
}

/// The next number behind white space and comments.
fn read_number(rest: &mut &[u8]) -> Option<usize> {
    loop {
        match rest {
            [b'#', ..] => *rest = &rest[rest.iter().position(|&byte| byte == b'\n')?..],
            [space, after @ ..] if space.is_ascii_whitespace() => *rest = after,
            _ => break,
        }
    }
    let len = rest.iter().position(|byte| !byte.is_ascii_digit())?;
    let (digits, after) = rest.split_at(len);
    *rest = after;
    std::str::from_utf8(digits).ok()?.parse().ok()
}
