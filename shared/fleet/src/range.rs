//! HTTP's ranges of bytes, which S3 has too.

/// `bytes 100-199/200` as (100, Some(200)).
pub fn parse(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, whole) = text.strip_prefix("bytes ")?.split_once('/')?;
    Some((range.split_once('-')?.0.parse().ok()?, whole.parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read() {
        assert_eq!(parse("bytes 100-199/200"), Some((100, Some(200))));
        assert_eq!(parse("bytes 0-9/*"), Some((0, None)));
        assert_eq!(parse("bytes */200"), None);
        assert_eq!(parse("100-199/200"), None);
    }
}
