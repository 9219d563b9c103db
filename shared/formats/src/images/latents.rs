//! Datasets of an autoencoder's posteriors: a ZIP or a folder of `.npy` files, as EDM2 stores them, with classes in a
//! `dataset.json`.

use std::path::Path;

use super::archive::{Archive, Members};
use super::folder::Folder;
use super::place::What;
use super::{DatasetError, HEAD_BYTES, ImageError, Place};
use crate::npy;

/// More values than any latent has: 64 channels of 512×512.
const MAX_VALUES: u64 = 1 << 24;

/// Posteriors by their place, from 0. A clone has its own position in the file: clones may read side by side.
#[derive(Clone, Debug)]
pub struct Latents(Source);

#[derive(Clone, Debug)]
enum Source {
    Archive(Archive),
    Folder(Folder),
}

/// One posterior: means, then standard deviations.
#[derive(Clone, Debug, PartialEq)]
pub struct Latent {
    /// `[2C, h, w]`.
    pub shape: [usize; 3],
    /// Row-major in `shape`.
    pub values: Vec<f32>,
}

impl Latent {
    /// As `np.save` writes it: float32, little-endian.
    pub fn to_npy(&self) -> Vec<u8> {
        npy::encode_f32(&self.shape, &self.values)
    }
}

impl Latents {
    /// Opens a `.zip` or a folder of this machine; reads its directory and classes, but no posterior yet.
    ///
    /// # Errors
    /// A path that is none of these, cannot be read, is damaged or holds no `.npy` file.
    pub fn open(path: &Path) -> Result<Self, DatasetError> {
        Self::of(&Place::here(path)?)
    }

    /// The same of what lies anywhere.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn of(place: &Place) -> Result<Self, DatasetError> {
        let (path, arrays) = (place.path(), Members::Arrays);
        let latents = Self(match &place.what {
            What::Folder(below) => Source::Folder(Folder::of(path, below, arrays)?),
            What::File { file, .. } => Source::Archive(Archive::of(path, file.clone(), arrays)?),
        });
        if latents.is_empty() { Err(DatasetError::Empty(path.to_owned())) } else { Ok(latents) }
    }

    /// How many there are.
    pub fn len(&self) -> u64 {
        match &self.0 {
            Source::Archive(archive) => archive.len(),
            Source::Folder(folder) => folder.len(),
        }
    }

    /// Never true of a dataset that was opened.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The name of the file at `index`.
    pub fn name(&self, index: u64) -> String {
        match &self.0 {
            Source::Archive(archive) => archive.name(index),
            Source::Folder(folder) => folder.name(index),
        }
    }

    /// The class of the one at `index`, where it is known.
    pub fn label(&self, index: u64) -> Option<i64> {
        match &self.0 {
            Source::Archive(archive) => archive.label(index),
            Source::Folder(folder) => folder.label(index),
        }
    }

    /// The shape `[2C, h, w]` of one by the first bytes of its file, without its values; `None` where they do not tell.
    ///
    /// # Errors
    /// They cannot be read, or are no such array's.
    pub fn shape(&mut self, index: u64) -> Result<Option<[usize; 3]>, ImageError> {
        if index >= self.len() {
            return Err(ImageError::Absent { index, len: self.len() });
        }
        let head = match &mut self.0 {
            Source::Archive(archive) => archive.head(index, HEAD_BYTES)?,
            Source::Folder(folder) => folder.head(index, HEAD_BYTES)?,
        };
        match npy::Header::read(&mut head.as_slice()) {
            Ok(header) => shape(&header.shape).map(Some),
            Err(_) if head.starts_with(b"\x93NUMPY") => Ok(None),
            Err(error) => Err(ImageError::damaged(error)),
        }
    }

    /// Reads one.
    ///
    /// # Errors
    /// It is not there, cannot be read, or is no array of numbers `[2C, h, w]`; the name is the caller's to add.
    pub fn read(&mut self, index: u64) -> Result<Latent, ImageError> {
        if index >= self.len() {
            return Err(ImageError::Absent { index, len: self.len() });
        }
        let bytes = match &mut self.0 {
            Source::Archive(archive) => archive.bytes(index)?,
            Source::Folder(folder) => folder.bytes(index)?,
        };
        let array = npy::decode(&mut bytes.as_slice(), MAX_VALUES).map_err(ImageError::damaged)?;
        let [channels, h, w] = shape(&array.shape)?;
        if channels % 2 != 0 || array.values.is_empty() || array.values.iter().any(|value| !value.is_finite())
        {
            let detail =
                format!("{channels} channels of {w}x{h}: expected means and standard deviations, all finite");
            return Err(ImageError::Damaged(detail));
        }
        Ok(Latent {
            shape: [channels, h, w],
            values: array.values.iter().map(|&value| value as f32).collect(),
        })
    }
}

fn shape(of: &[usize]) -> Result<[usize; 3], ImageError> {
    of.try_into().map_err(|_| ImageError::Damaged(format!("an array of shape {of:?}, no latent")))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn posteriors_are_read_in_the_order_of_their_names() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
        let values: Vec<f64> = (0..16).map(|i| f64::from(i) / 4.0).collect();
        put("b.npy", &npy::encode_f64(&[8, 1, 2], &values));
        put("a.npy", &npy::encode_f64(&[8, 1, 1], &values[..8]));
        put("dataset.json", br#"{"labels": [["a.npy", 3], ["b.npy", 1]]}"#);
        let mut latents = Latents::open(folder.path()).unwrap();
        assert_eq!(
            (latents.len(), latents.name(0), latents.label(0), latents.label(1)),
            (2, "a.npy".into(), Some(3), Some(1))
        );
        let latent = latents.read(1).unwrap();
        assert_eq!((latent.shape, latent.values[3]), ([8, 1, 2], 0.75));
        assert_eq!(latents.shape(1).unwrap(), Some([8, 1, 2]));
        put("a.npy", &npy::encode_f64(&[8], &values[..8]));
        assert!(latents.read(0).unwrap_err().to_string().contains("[8]"));
        assert!(latents.shape(0).unwrap_err().to_string().contains("[8]"));
        put("a.npy", &npy::encode_f64(&[2, 1, 1], &[1.0, f64::NAN]));
        assert!(latents.read(0).unwrap_err().to_string().contains("finite"));
        put("a.npy", b"nothing");
        assert!(latents.read(0).is_err() && latents.shape(0).is_err());
        put("a.npy", &latent.to_npy());
        assert_eq!(latents.read(0).unwrap(), latent);
        assert!(matches!(latents.read(2), Err(ImageError::Absent { .. })));
    }
}
