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
mod pnm;
mod resample;
mod tensors;
pub mod transform;
mod view;

use std::path::Path;
use std::sync::Arc;

pub use archive::Members;
pub use codec::decode;
pub use error::{DatasetError, ImageError};
pub use latents::{Latent, Latents};
pub use view::ReadAt;

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
    Npz(npz::Npz),
    Tensors(tensors::Tensors),
}

impl Dataset {
    /// Opens a dataset; reads its directory and classes, but no image yet where images lie in
    /// the file one by one (idx, safetensors and compressed npz arrays come into memory whole).
    ///
    /// # Errors
    /// A path that is none of the forms above, cannot be read, is damaged or holds no image.
    pub fn open(path: &Path) -> Result<Self, DatasetError> {
        let found = std::fs::metadata(path);
        found.map_err(|source| DatasetError::Read { path: path.to_owned(), source })?;
        let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
        let source = if path.is_dir() {
            Source::Folder(folder::Folder::open(path, Members::Images)?)
        } else if name.ends_with(".zip") {
            Source::Archive(archive::Archive::open(path, Members::Images)?)
        } else if name.ends_with(".npz") {
            Source::Npz(npz::Npz::open(path)?)
        } else if name.ends_with(".safetensors") {
            Source::Tensors(tensors::from_safetensors(path)?)
        } else if name.contains("-idx3-ubyte") {
            Source::Tensors(idx::read(path)?)
        } else {
            return Err(DatasetError::Unknown(path.to_owned()));
        };
        let dataset = Self(source);
        if dataset.is_empty() {
            return Err(DatasetError::Empty(path.to_owned()));
        }
        Ok(dataset)
    }

    /// Opens a ZIP that lies anywhere, called `path` in what is said of it; read by ranges, never whole.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn of_zip(path: &Path, file: Arc<dyn ReadAt>) -> Result<Self, DatasetError> {
        let archive = archive::Archive::of(path, file, Members::Images)?;
        if archive.len() == 0 {
            return Err(DatasetError::Empty(path.to_owned()));
        }
        Ok(Self(Source::Archive(archive)))
    }

    /// How many images there are.
    pub fn len(&self) -> u64 {
        match &self.0 {
            Source::Archive(archive) => archive.len(),
            Source::Folder(folder) => folder.len(),
            Source::Npz(npz) => npz.len(),
            Source::Tensors(tensors) => tensors.len(),
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
            Source::Npz(_) | Source::Tensors(_) => format!("image {index}"),
        }
    }

    /// The class of the image at `index`, where it is known.
    pub fn label(&self, index: u64) -> Option<i64> {
        match &self.0 {
            Source::Archive(archive) => archive.label(index),
            Source::Folder(folder) => folder.label(index),
            Source::Npz(npz) => npz.label(index),
            Source::Tensors(tensors) => tensors.label(index),
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
            Source::Npz(npz) => npz.read(index),
            Source::Tensors(tensors) => Ok(tensors.read(index)),
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
            Source::Npz(_) | Source::Tensors(_) => return Ok(None),
        };
        codec::shape(&head)
    }
}

/// As much of a file as tells what is in it.
const HEAD_BYTES: u64 = 256;

#[cfg(test)]
mod tests;
