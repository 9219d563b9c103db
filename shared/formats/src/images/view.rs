//! Files that are read from any place, by many at once: here, or far away by ranges.

use std::{
    fmt::Debug,
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    os::unix::fs::FileExt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// How much of a far file is read in one go: while its directory is read, and as long as nobody knows better.
const WINDOW: usize = 4 << 20;

/// A file without a position.
pub trait ReadAt: Debug + Send + Sync {
    /// Reads into `buffer` what lies from `position` on; 0 at the end.
    ///
    /// # Errors
    /// It cannot be read.
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize>;

    /// Its length.
    ///
    /// # Errors
    /// It cannot be looked at.
    fn num_bytes(&self) -> io::Result<u64>;

    /// Whether each read is so slow that it is better to read ahead.
    fn is_far(&self) -> bool;
}

/// Fills `buffer` with what lies from `position` on.
pub fn read_exact_at(file: &dyn ReadAt, mut buffer: &mut [u8], mut position: u64) -> io::Result<()> {
    while !buffer.is_empty() {
        match file.read_at(buffer, position) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                buffer = &mut buffer[count..];
                position += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

impl ReadAt for File {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        FileExt::read_at(self, buffer, position)
    }

    fn num_bytes(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn is_far(&self) -> bool {
        false
    }
}

/// A position of its own in a file that is shared: clones do not move each other.
#[derive(Clone, Debug)]
pub struct View {
    file: Arc<dyn ReadAt>,
    position: u64,
    ahead: Option<Window>,
}

/// What was read ahead of a far file.
#[derive(Clone, Debug)]
struct Window {
    start: u64,
    bytes: Vec<u8>,
    size: Ahead,
}

/// Tells a view of a far file, and its clones, how much will be read in one go.
#[derive(Clone, Debug)]
pub struct Ahead(Arc<AtomicUsize>);

impl Ahead {
    /// So many bytes, from where it is read next; a view that is told less than is read asks once more.
    pub fn expect(&self, num_bytes: u64) {
        self.0.store(num_bytes.min(WINDOW as u64) as usize, Ordering::Relaxed);
    }
}

impl View {
    pub fn new(file: Arc<dyn ReadAt>) -> Self {
        Self::at(file, 0)
    }

    pub fn at(file: Arc<dyn ReadAt>, position: u64) -> Self {
        let size = || Ahead(Arc::new(AtomicUsize::new(WINDOW)));
        let ahead = file.is_far().then(|| Window { start: 0, bytes: Vec::new(), size: size() });
        Self { file, position, ahead }
    }

    pub fn position(&self) -> u64 {
        self.position
    }

    /// How to tell it what will be read, if that matters.
    pub fn ahead(&self) -> Option<Ahead> {
        self.ahead.as_ref().map(|window| window.size.clone())
    }
}

impl Window {
    fn read(&mut self, file: &dyn ReadAt, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let end = self.start + self.bytes.len() as u64;
        if !(self.start..end).contains(&position) {
            self.bytes.resize(buffer.len().max(self.size.0.load(Ordering::Relaxed)), 0);
            // Nothing is here until it has come.
            let read = file.read_at(&mut self.bytes, position);
            self.bytes.truncate(*read.as_ref().unwrap_or(&0));
            (self.start, _) = (position, read?);
        }
        let here = &self.bytes[(position - self.start) as usize..];
        let count = here.len().min(buffer.len());
        buffer[..count].copy_from_slice(&here[..count]);
        Ok(count)
    }
}

impl Read for View {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = match &mut self.ahead {
            Some(window) => window.read(&*self.file, buffer, self.position)?,
            None => self.file.read_at(buffer, self.position)?,
        };
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for View {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
            SeekFrom::End(offset) => self.file.num_bytes()?.checked_add_signed(offset),
        };
        self.position = target.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// A file that remembers what was asked of it.
    #[derive(Debug)]
    struct Far(Vec<u8>, Mutex<Vec<(u64, usize)>>);

    impl ReadAt for Far {
        fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
            self.1.lock().unwrap().push((position, buffer.len()));
            if position == 13 {
                return Err(io::Error::other("lost"));
            }
            let from = &self.0[(position as usize).min(self.0.len())..];
            let count = from.len().min(buffer.len());
            buffer[..count].copy_from_slice(&from[..count]);
            Ok(count)
        }

        fn num_bytes(&self) -> io::Result<u64> {
            Ok(self.0.len() as u64)
        }

        fn is_far(&self) -> bool {
            true
        }
    }

    #[test]
    fn a_far_file_is_read_through_windows() {
        let bytes: Vec<u8> = (0..100_000_u32).map(|i| (i % 251) as u8).collect();
        let far = Arc::new(Far(bytes.clone(), Mutex::default()));
        let mut view = View::new(far.clone());
        let window = 16 << 10;
        view.ahead().unwrap().expect(window as u64);
        let mut read = |position: u64, len: usize| {
            let mut buffer = vec![0; len];
            view.seek(SeekFrom::Start(position)).unwrap();
            view.read_exact(&mut buffer).map(|()| buffer)
        };
        for (position, len) in [(50_000, 30), (50_030, 4000), (49_990, 10), (49_990, 16_394), (99_990, 10)] {
            assert!(
                read(position, len).unwrap() == bytes[position as usize..position as usize + len],
                "{position}"
            );
        }
        let asked = std::mem::take(&mut *far.1.lock().unwrap());
        assert_eq!(asked, [(50_000, window), (49_990, window), (66_374, window), (99_990, window)]);
        assert!(read(13, 1).is_err() && read(13, 1).is_err(), "what did not come is not there");
        assert!(read(99_999, 2).is_err(), "beyond the end");
    }
}
