//! Images and labels at rest.

mod idx;

use std::path::{Path, PathBuf};

use tch::{Kind, Tensor};

use crate::checkpoint::{TensorFile, TensorFileError};

/// Why images could not be read.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    #[error("cannot read `{path}`: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("`{path}` is not a whole idx file: {problem}")]
    Idx { path: PathBuf, problem: String },
    #[error("`{images}` holds {num_images} images but `{labels}` {num_labels} labels")]
    Count { images: PathBuf, num_images: i64, labels: PathBuf, num_labels: i64 },
    #[error(transparent)]
    Tensors(#[from] TensorFileError),
    #[error("`{path}` holds `images` as {found}, expected uint8 [N, C, H, W]")]
    Shape { path: PathBuf, found: String },
    #[error(
        "`{0}` is no kind of images that is known here: expected an idx file (…-images-idx3-ubyte[.gz]) or .safetensors"
    )]
    Unknown(PathBuf),
}

/// Images with their classes, if known.
#[derive(Debug)]
pub struct ImageSet {
    /// uint8 `[N, C, H, W]`.
    pub images: Tensor,
    /// int64 `[N]`.
    pub labels: Option<Tensor>,
}

impl ImageSet {
    /// Reads an idx file of images (with the labels file beside it, if there), plain or gzipped, or the tensors
    /// `images` and `labels` of a safetensors file.
    pub fn read(path: &Path) -> Result<Self, DataError> {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        if name.contains("images-idx3-ubyte") {
            return idx::read(path, &path.with_file_name(name.replace("images-idx3", "labels-idx1")));
        }
        if name.ends_with(".safetensors") {
            return Self::from_tensor_file(path);
        }
        Err(DataError::Unknown(path.to_owned()))
    }

    fn from_tensor_file(path: &Path) -> Result<Self, DataError> {
        let mut file = TensorFile::read(path)?;
        let images = file.take(path, "images")?;
        if images.kind() != Kind::Uint8 || images.dim() != 4 {
            let found = format!("{:?} {:?}", images.kind(), images.size());
            return Err(DataError::Shape { path: path.to_owned(), found });
        }
        Ok(Self { images, labels: file.tensors.remove("labels") })
    }

    pub fn num_images(&self) -> i64 {
        self.images.size()[0]
    }
}
