//! Datasets: images and their classes at rest, in the forms that the field keeps them in.
//!
//! | path | what it holds |
//! | --- | --- |
//! | `*.zip` | encoded images in the order of their names, classes in a `dataset.json` (EDM's layout) |
//! | a folder | the same, as files |
//! | `*.npz` | `arr_0`, uint8 `[N, H, W, C]` (ADM's samples), classes in `arr_1` |
//! | `*-images-idx3-ubyte[.gz]` | MNIST's format, classes in the labels file beside it |
//! | `*.safetensors` | `images`, uint8 `[N, C, H, W]`, classes in `labels` |
//!
//! [`Latents`] are a ZIP or folder of `.npy` files: an autoencoder's posteriors, as EDM2 stores them. [`transform`] and [`edm_zip`] make one out of another.

mod archive;
mod bmp;
mod codec;
pub mod edm_zip;
mod error;
mod folder;
mod idx;
mod jpeg;
mod labels;
mod latents;
mod names;
mod npz;
mod others;
mod place;
mod pnm;
mod resample;
mod rows;
mod tensors;
pub mod transform;
mod view;

use std::path::Path;

pub use archive::Members;
pub use codec::decode;
pub use error::{DatasetError, ImageError};
pub use latents::{Latent, Latents};
pub use place::{Below, Place};
pub use view::ReadAt;

use place::{Kind, What};

/// One image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// `[C, H, W]`; C is 1 or 3.
    pub shape: [usize; 3],
    /// Row-major in `shape`.
    pub pixels: Vec<u8>,
}

/// Images by their place, from 0. A clone has its own position in the file: clones may read side by side.
#[derive(Clone, Debug)]
pub struct Dataset(Source);

#[derive(Clone, Debug)]
enum Source {
    Archive(archive::Archive),
    Folder(folder::Folder),
    /// One array.
    Rows(rows::Rows),
}

impl Dataset {
    /// Opens a dataset of this machine; reads its directory and classes, but no image yet (a compressed array comes into
    /// memory whole).
    ///
    /// # Errors
    /// A path that is none of the forms above, cannot be read, is damaged or holds no image.
    pub fn open(path: &Path) -> Result<Self, DatasetError> {
        Self::of(&Place::here(path)?)
    }

    /// The same of a dataset that lies anywhere.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn of(place: &Place) -> Result<Self, DatasetError> {
        let path = place.path();
        let source = match &place.what {
            What::Folder(below) => Source::Folder(folder::Folder::of(path, below, Members::Images)?),
            What::File { file, labels } => match place.kind() {
                Some(Kind::Zip) => {
                    Source::Archive(archive::Archive::of(path, file.clone(), Members::Images)?)
                }
                Some(Kind::Npz) => Source::Rows(npz::open(path, file)?),
                Some(Kind::Safetensors) => Source::Rows(tensors::open(path, file)?),
                Some(Kind::Idx) => Source::Rows(idx::open(path, file, labels.as_ref())?),
                None => return Err(DatasetError::Unknown(path.to_owned())),
            },
        };
        let dataset = Self(source);
        if dataset.is_empty() { Err(DatasetError::Empty(path.to_owned())) } else { Ok(dataset) }
    }

    /// How many images there are.
    pub fn len(&self) -> u64 {
        match &self.0 {
            Source::Archive(archive) => archive.len(),
            Source::Folder(folder) => folder.len(),
            Source::Rows(rows) => rows.len(),
        }
    }

    /// Never true of a dataset that was opened.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What people call the image at `index`: its file's name, or its place.
    pub fn name(&self, index: u64) -> String {
        match &self.0 {
            Source::Archive(archive) => archive.name(index),
            Source::Folder(folder) => folder.name(index),
            Source::Rows(_) => format!("image {index}"),
        }
    }

    /// The class of the image at `index`, where it is known.
    pub fn label(&self, index: u64) -> Option<i64> {
        match &self.0 {
            Source::Archive(archive) => archive.label(index),
            Source::Folder(folder) => folder.label(index),
            Source::Rows(rows) => rows.label(index),
        }
    }

    /// Reads and decodes one image.
    ///
    /// # Errors
    /// It is not there, cannot be read or is no image; the name is the caller's to add.
    pub fn read(&mut self, index: u64) -> Result<Image, ImageError> {
        if index >= self.len() {
            return Err(ImageError::Absent { index, len: self.len() });
        }
        match &mut self.0 {
            Source::Archive(archive) => archive.read(index),
            Source::Folder(folder) => folder.read(index),
            Source::Rows(rows) => rows.read(index),
        }
    }

    /// The shape `[C, H, W]` of one image by the first bytes of its file, without decoding it; `None` where they do not tell.
    ///
    /// # Errors
    /// They cannot be read, or are no image's.
    pub fn shape(&mut self, index: u64) -> Result<Option<[usize; 3]>, ImageError> {
        if index >= self.len() {
            return Err(ImageError::Absent { index, len: self.len() });
        }
        let head = match &mut self.0 {
            Source::Archive(archive) => archive.head(index, HEAD_BYTES)?,
            Source::Folder(folder) => folder.head(index, HEAD_BYTES)?,
            // Of one shape, as their header says.
            Source::Rows(_) => return Ok(None),
        };
        codec::shape(&head)
    }
}

/// As much of a file as tells what is in it.
const HEAD_BYTES: u64 = 256;

#[cfg(test)]
mod tests;
