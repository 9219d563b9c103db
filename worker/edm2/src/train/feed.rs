//! Files that are read and decoded ahead of the device, by a few threads and a bounded number of images at a time.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread;
use std::time::Duration;

use fidelis_formats::images::Place;
use tch::Tensor;

use super::batches::Batches;
use super::files::{Decoded, Files, stacked};
use super::images::{Images, Stored};
use super::ranks::Share;
use crate::data::DataError;
use crate::encoder::{Codec, EncoderError};

/// Images that wait for the device, for each reader.
const AHEAD: usize = 64;
/// How long the end of a training waits for readers that are in the middle of an image, which may lie far away.
const LAST_IMAGE: Duration = Duration::from_secs(5);
/// Images that are read before the first step.
const SAMPLE: u64 = 256;

/// The images of a dataset at rest. Reader k of n decodes the images at the positions k, k + n, k + 2n, … of the sequence:
/// the order is the same for any number of readers.
#[derive(Debug)]
pub struct Feed {
    files: Files,
    seed: u64,
    readers: usize,
    classes: Option<(i64, i64)>,
    share: Option<Share>,
    running: Option<Running>,
}

/// Readers at work.
#[derive(Debug)]
struct Running {
    receivers: Vec<Receiver<Decoded>>,
    /// The position at which the first reader began.
    start: u64,
    /// The position that comes next.
    next: u64,
    /// Disconnected once no reader is left.
    ended: Receiver<()>,
}

/// Decodes every `step`th image of the sequence, until nobody receives any more.
fn decode(mut files: Files, mut batches: Batches, (first, step): (u64, usize), to: &SyncSender<Decoded>) {
    for position in (first..).step_by(step) {
        let decoded = files.read(batches.index(position) as u64);
        if to.send(decoded).is_err() {
            return;
        }
    }
}

impl Running {
    fn take(&mut self) -> Option<Decoded> {
        let reader = (self.next - self.start) as usize % self.receivers.len();
        self.next += 1;
        self.receivers[reader].recv().ok()
    }
}

/// A reader that outlives the process's last statement meets libtorch in its own destructors, which then aborts.
impl Drop for Running {
    fn drop(&mut self) {
        self.receivers.clear();
        self.ended.recv_timeout(LAST_IMAGE).ok();
    }
}

impl Feed {
    /// Opens a dataset of this machine, to be read by `readers` threads in the order of `seed`.
    ///
    /// # Errors
    /// A dataset that cannot be read, or whose first image cannot.
    pub fn open(path: &Path, seed: u64, readers: usize) -> Result<Self, DataError> {
        Self::of(&Place::here(path)?, seed, readers)
    }

    /// The same of a dataset that lies anywhere.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn of(place: &Place, seed: u64, readers: usize) -> Result<Self, DataError> {
        let files = Files::open(place)?;
        let classes = files.classes();
        Ok(Self { files, seed, readers: readers.max(1), classes, share: None, running: None })
    }

    /// Only a rank's part of every batch.
    pub fn shared(self, share: Share) -> Self {
        Self { share: Some(share), ..self }
    }

    /// Looks at the beginning of every image and reads 256 of them, evenly spread, before anything is built on them:
    /// what is wrong with all, or with the container, shows. `goes_on(k)` is asked before each; where it says no, the rest
    /// is left.
    ///
    /// # Errors
    /// An image that cannot be read, or of another shape than the first.
    pub fn check(&self, goes_on: &(dyn Fn(u64) -> bool + Sync)) -> Result<(), DataError> {
        let (next, len) = (AtomicU64::new(0), self.files.len());
        let spread = len.div_ceil(SAMPLE);
        let check = |mut files: Files| loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= len || !goes_on(index) {
                return Ok(());
            }
            let is_sampled = index.is_multiple_of(spread) || index + 1 == len;
            let checked = if is_sampled { files.read(index).map(drop) } else { files.glance(index) };
            // What one thread finds ends the others.
            checked.inspect_err(|_| next.store(len, Ordering::Relaxed))?;
        };
        let files: Vec<Files> = (0..self.readers).map(|_| self.files.clone()).collect();
        let ended: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = files.into_iter().map(|files| scope.spawn(|| check(files))).collect();
            threads.into_iter().map(thread::ScopedJoinHandle::join).collect()
        });
        ended.into_iter().try_for_each(|ended| ended.unwrap_or_else(|_| Err(self.lost())))
    }

    /// Starts the readers at a position.
    fn start(&self, seen: u64) -> Running {
        let (alive, ended) = channel::<()>();
        let reader = |k: usize| {
            let ((sender, receiver), alive) = (sync_channel(AHEAD), alive.clone());
            let (files, readers) = (self.files.clone(), self.readers);
            let batches = Batches::new(self.seed, files.len()).shared(self.share);
            thread::spawn(move || {
                decode(files, batches, (seen + k as u64, readers), &sender);
                drop(alive);
            });
            receiver
        };
        Running { receivers: (0..self.readers).map(reader).collect(), start: seen, next: seen, ended }
    }

    fn lost(&self) -> DataError {
        DataError::Reader(self.files.path().to_owned())
    }
}

impl Images for Feed {
    fn num_images(&self) -> u64 {
        self.files.len()
    }

    fn classes(&self) -> Option<(i64, i64)> {
        self.classes
    }

    fn example(&mut self) -> Result<Tensor, DataError> {
        Ok(stacked(vec![self.files.read(0)?.0]))
    }

    fn at(&mut self, seen: u64, count: u64) -> Result<Stored, DataError> {
        let mut running = match self.running.take() {
            Some(running) if running.next == seen => running,
            _ => self.start(seen),
        };
        let (mut images, mut labels) = (Vec::with_capacity(count as usize), Vec::new());
        for _ in 0..count {
            let (image, label) = running.take().ok_or_else(|| self.lost())??;
            images.push(image);
            labels.extend(label);
        }
        self.running = Some(running);
        let labels = (labels.len() == images.len()).then(|| Tensor::from_slice(&labels));
        Ok(Stored { images: stacked(images), labels })
    }

    /// Nothing is in memory.
    fn encode(&mut self, _: &Codec) -> Result<(), EncoderError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::images::InMemory;
    use super::*;
    use crate::checkpoint::TensorFile;
    use crate::data::ImageSet;

    fn dataset(folder: &Path) -> PathBuf {
        let images = Tensor::arange(10 * 4, (tch::Kind::Uint8, tch::Device::Cpu)).reshape([10, 1, 2, 2]);
        let labels = Tensor::arange(10, tch::kind::INT64_CPU);
        let path = folder.join("images.safetensors");
        let tensors = [("images".to_owned(), images), ("labels".to_owned(), labels)].into();
        TensorFile { tensors, ..TensorFile::default() }.write(&path).unwrap();
        path
    }

    #[test]
    fn any_number_of_readers_gives_the_order_of_memory_from_any_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = dataset(folder.path());
        let mut memory = InMemory::new(ImageSet::read(&path).unwrap(), 3);
        for readers in [1, 2, 3] {
            let mut feed = Feed::open(&path, 3, readers).unwrap();
            assert_eq!((feed.num_images(), feed.classes()), (10, Some((0, 9))));
            // Over the end of an epoch, on from there, and back.
            for (seen, count) in [(7, 5), (12, 4), (3, 6)] {
                let (found, expected) = (feed.at(seen, count).unwrap(), memory.at(seen, count).unwrap());
                assert_eq!(found.images, expected.images, "{readers} readers at {seen}");
                assert_eq!(found.labels, expected.labels, "{readers} readers at {seen}");
            }
        }
    }

    #[test]
    fn an_image_that_is_none_is_found_before_the_first_step_and_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let picture = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
        for index in 0..6 {
            picture(&format!("{index}.pgm"), b"P5 2 2 255\n0123");
        }
        let feed = |readers| Feed::open(folder.path(), 0, readers).unwrap();
        feed(2).check(&|_| true).unwrap();
        picture("4.pgm", b"P5 4 1 255\n0123");
        for readers in [1, 3] {
            let error = feed(readers).check(&|_| true).unwrap_err().to_string();
            assert!(error.contains("`4.pgm`") && error.contains("[1, 1, 4]"), "{error}");
            assert!(feed(readers).at(0, 6).is_err());
        }
        picture("4.pgm", b"nothing");
        assert!(feed(2).check(&|_| true).unwrap_err().to_string().contains("`4.pgm`"));
        feed(1).check(&|index| index < 3).unwrap();
    }
}
