//! Why a dataset or one of its images could not be read.

use std::path::PathBuf;

use crate::{text, tree::TreeError};

/// Why a dataset could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    #[error("cannot read `{path}`: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("`{path}` is damaged or not what its name says: {detail}")]
    Damaged { path: PathBuf, detail: String },
    #[error("`{path}`: {source}")]
    Tree { path: PathBuf, source: TreeError },
    #[error(
        "`{0}` holds no images: expected PNG, JPEG, WebP, BMP, GIF, TIFF, PGM or PPM files, or an array of them"
    )]
    Empty(PathBuf),
    #[error("`{path}` holds {num_labels} classes for {num_images} images")]
    Labels { path: PathBuf, num_labels: usize, num_images: usize },
    #[error(
        "`{0}` is no dataset that is known here: expected a .zip, a folder, an .npz, an idx file \
         (…-images-idx3-ubyte[.gz]) or .safetensors"
    )]
    Unknown(PathBuf),
}

impl DatasetError {
    pub(super) fn damaged(path: &std::path::Path, detail: impl ToString) -> Self {
        Self::Damaged { path: path.to_owned(), detail: text::message(&detail.to_string()) }
    }
}

impl ImageError {
    /// On one line, whatever the decoder had to say.
    pub(super) fn damaged(detail: impl ToString) -> Self {
        Self::Damaged(text::message(&detail.to_string()))
    }

    /// Sound, but not read as PIL would.
    pub(super) fn unknown(what: &str) -> Self {
        Self::Unknown(text::message(what))
    }

    pub(super) fn animation(format: &str) -> Self {
        Self::Unknown(format!("an animated {format}, of more pictures than one"))
    }
}

/// Why one image could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    #[error("there is no image `{index}`: the dataset has `{len}`")]
    Absent { index: u64, len: u64 },
    #[error("cannot be read: {0}")]
    Read(#[from] std::io::Error),
    #[error("is no whole image: {0}")]
    Damaged(String),
    #[error("is {0}, which is not read: save it as PNG of 8 bits")]
    Unknown(String),
    #[error("is of {width}x{height} pixels, more than the {limit} on a side that are read")]
    TooLarge { width: usize, height: usize, limit: usize },
}
