//! As much of Redis's protocol as it takes to count commands.

/// Counts whole commands in a stream of bytes.
#[derive(Debug, Default)]
pub(super) struct Counter {
    rest: Vec<u8>,
}

impl Counter {
    /// How many commands end in these bytes.
    pub(super) fn count(&mut self, bytes: &[u8]) -> usize {
        self.rest.extend_from_slice(bytes);
        let (mut num_commands, mut start) = (0, 0);
        while let Some(len) = command_len(&self.rest[start..]) {
            start += len;
            num_commands += 1;
        }
        self.rest.drain(..start);
        num_commands
    }
}

/// The length of the whole command that the bytes begin with.
fn command_len(bytes: &[u8]) -> Option<usize> {
    let (num_words, mut at) = number(bytes, b'*')?;
    for _ in 0..num_words {
        let (len, used) = number(&bytes[at..], b'$')?;
        at += used + len + 2;
        if bytes.len() < at {
            return None;
        }
    }
    Some(at)
}

/// A line of `mark` and a number, and its length.
fn number(bytes: &[u8], mark: u8) -> Option<(usize, usize)> {
    let end = bytes.windows(2).position(|pair| pair == b"\r\n")?;
    let line = bytes[..end].strip_prefix(&[mark])?;
    Some((std::str::from_utf8(line).ok()?.parse().ok()?, end + 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_counted_however_they_are_cut() {
        let stream = b"*1\r\n$4\r\nPING\r\n*2\r\n$4\r\nECHO\r\n$2\r\n\r\n\r\n";
        for cut in 0..stream.len() {
            let mut counter = Counter::default();
            assert_eq!(counter.count(&stream[..cut]) + counter.count(&stream[cut..]), 2, "cut at {cut}");
        }
    }
}
