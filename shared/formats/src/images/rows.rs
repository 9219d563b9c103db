//! Images that are one array: in a file, from which each is read when it is asked for, or in memory.

use std::{path::Path, sync::Arc};

use bytes::Bytes;

use super::view::read_exact_at;
use super::{DatasetError, Image, ImageError, ReadAt, codec};

#[derive(Clone, Debug)]
pub struct Rows {
    pub num_images: u64,
    /// `[C, H, W]` of each image.
    pub shape: [usize; 3],
    pub values: Values,
    /// Each image lies as `[H, W, C]`.
    pub is_interleaved: bool,
    /// None, or one for each image.
    pub labels: Arc<[i64]>,
}

/// Where the images are, one after another.
#[derive(Clone, Debug)]
pub enum Values {
    /// In a file, from this byte on.
    Stored {
        file: Arc<dyn ReadAt>,
        offset: u64,
    },
    Memory(Bytes),
}

impl Rows {
    /// With classes, if there are any.
    pub fn labelled(self, path: &Path, labels: Vec<i64>) -> Result<Self, DatasetError> {
        let (num_labels, num_images) = (labels.len(), self.num_images as usize);
        if num_labels != 0 && num_labels != num_images {
            return Err(DatasetError::Labels { path: path.to_owned(), num_labels, num_images });
        }
        Ok(Self { labels: labels.into(), ..self })
    }

    pub fn len(&self) -> u64 {
        self.num_images
    }

    pub fn label(&self, index: u64) -> Option<i64> {
        self.labels.get(index as usize).copied()
    }

    /// `index` is below [`Self::len`].
    pub fn read(&self, index: u64) -> Result<Image, ImageError> {
        let size = self.shape.iter().product::<usize>();
        let start = index * size as u64;
        let samples = match &self.values {
            Values::Memory(bytes) => bytes[start as usize..start as usize + size].to_vec(),
            Values::Stored { file, offset } => {
                let mut samples = vec![0; size];
                read_exact_at(&**file, &mut samples, offset + start)?;
                samples
            }
        };
        if self.is_interleaved {
            return Ok(codec::planar(&samples, self.shape[0], self.shape));
        }
        Ok(Image { shape: self.shape, pixels: samples })
    }
}
