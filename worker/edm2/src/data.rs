//! Images and labels in memory, as tensors.

use std::path::{Path, PathBuf};

use fidelis_contract::outcome::{Class, Outcome};
use fidelis_formats::images::{Dataset, DatasetError, Image, ImageError};
use tch::{Kind, Tensor};

/// Why images could not be read.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    #[error("`{name}` of `{path}` {source}")]
    Image { path: PathBuf, name: String, source: ImageError },
    #[error(
        "`{name}` of `{path}` has shape {found:?}, the first image {expected:?}: one shape is needed here"
    )]
    Shape { path: PathBuf, name: String, found: [usize; 3], expected: [usize; 3] },
    #[error("a thread that read `{0}` ended by itself: this is a fault of the program")]
    Reader(PathBuf),
}

/// Images of one shape with their classes, if known.
#[derive(Debug)]
pub struct ImageSet {
    /// uint8 `[N, C, H, W]`.
    pub images: Tensor,
    /// int64 `[N]`.
    pub labels: Option<Tensor>,
}

impl ImageSet {
    /// Reads a whole [`Dataset`] into memory.
    pub fn read(path: &Path) -> Result<Self, DataError> {
        let mut dataset = Dataset::open(path)?;
        let mut images = Vec::new();
        for index in 0..dataset.len() {
            let image = dataset.read(index).map_err(|source| DataError::Image {
                path: path.to_owned(),
                name: dataset.name(index),
                source,
            })?;
            images.push(image);
        }
        if let Some(index) = images.iter().position(|image| image.shape != images[0].shape) {
            return Err(DataError::Shape {
                path: path.to_owned(),
                name: dataset.name(index as u64),
                found: images[index].shape,
                expected: images[0].shape,
            });
        }
        let labels: Option<Vec<i64>> = (0..dataset.len()).map(|index| dataset.label(index)).collect();
        Ok(Self { images: stack(&images), labels: labels.map(|labels| Tensor::from_slice(&labels)) })
    }

    pub fn num_images(&self) -> i64 {
        self.images.size()[0]
    }
}

/// uint8 `[N, C, H, W]` of images of one shape.
///
/// # Panics
/// When there are none.
pub fn stack(images: &[Image]) -> Tensor {
    let [c, h, w] = images[0].shape.map(|n| n as i64);
    let pixels: Vec<u8> = images.iter().flat_map(|image| image.pixels.iter().copied()).collect();
    Tensor::from_data_size(&pixels, &[images.len() as i64, c, h, w], Kind::Uint8)
}

impl Outcome for DataError {
    fn class(&self) -> Class {
        match self {
            Self::Dataset(error) => error.class(),
            Self::Image { source: ImageError::Read(error), .. } => error.class(),
            _ => Class::Usage,
        }
    }
}
