//! Images that are one array in memory.

use std::{fs, path::Path, sync::Arc};

use bytes::Bytes;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use super::{DatasetError, Image};

#[derive(Clone, Debug)]
pub struct Tensors {
    /// `[C, H, W]` of each image.
    shape: [usize; 3],
    /// `[N, C, H, W]`.
    pixels: Bytes,
    labels: Arc<[i64]>,
}

impl Tensors {
    /// `pixels` are as many as `num_images` images of `shape` have.
    pub fn new(
        path: &Path,
        shape: [usize; 3],
        pixels: Bytes,
        labels: Vec<i64>,
    ) -> Result<Self, DatasetError> {
        let num_images = pixels.len() / shape.iter().product::<usize>().max(1);
        if !labels.is_empty() && labels.len() != num_images {
            return Err(DatasetError::Labels { path: path.to_owned(), num_labels: labels.len(), num_images });
        }
        Ok(Self { shape, pixels, labels: labels.into() })
    }

    pub fn len(&self) -> u64 {
        (self.pixels.len() / self.image_len()) as u64
    }

    pub fn label(&self, index: u64) -> Option<i64> {
        self.labels.get(index as usize).copied()
    }

    pub fn read(&self, index: u64) -> Image {
        let start = index as usize * self.image_len();
        Image { shape: self.shape, pixels: self.pixels[start..start + self.image_len()].to_vec() }
    }

    fn image_len(&self) -> usize {
        self.shape.iter().product::<usize>().max(1)
    }
}

/// `images` uint8 `[N, C, H, W]` and, if there, `labels` int64 `[N]`.
pub fn from_safetensors(path: &Path) -> Result<Tensors, DatasetError> {
    let damaged = |detail: String| DatasetError::damaged(path, detail);
    let bytes = fs::read(path).map_err(|source| DatasetError::Read { path: path.to_owned(), source })?;
    let file = SafeTensors::deserialize(&bytes).map_err(|error| damaged(error.to_string()))?;
    let images = file.tensor("images").map_err(|_| damaged(no_images(&file)))?;
    let (&[_, c, h, w], Dtype::U8) = (images.shape(), images.dtype()) else {
        let found =
            format!("`images` is {:?} {:?}, expected U8 [N, C, H, W]", images.dtype(), images.shape());
        return Err(damaged(found));
    };
    if !matches!(c, 1 | 3) || h * w == 0 {
        return Err(damaged(format!("images of {c} channels and {w}x{h} pixels, expected 1 or 3 channels")));
    }
    let labels = file.tensor("labels").map_or_else(|_| Vec::new(), |labels| classes(&labels));
    let pixels = images.data().to_vec();
    Tensors::new(path, [c, h, w], pixels.into(), labels)
}

fn no_images(file: &SafeTensors) -> String {
    if file.tensor("latents").is_ok() {
        return "it has `latents` but no tensor `images`: `fidelis-worker sample` writes them too where it can make \
                pixels; for a latent net give it the autoencoder with `--vae`"
            .to_owned();
    }
    "it has no tensor `images`".to_owned()
}

/// Of integers of any type, one for each image; of anything else there are none, and a distance needs none.
fn classes(labels: &TensorView) -> Vec<i64> {
    macro_rules! integers {
        ($type:ty) => {
            labels.data().as_chunks().0.iter().map(|&bytes| <$type>::from_le_bytes(bytes) as i64).collect()
        };
    }
    match (labels.dtype(), labels.shape()) {
        (_, [] | [_, _, _, ..]) => Vec::new(),
        (_, [_, width]) if *width != 1 => Vec::new(),
        (Dtype::I64, _) => integers!(i64),
        (Dtype::U64, _) => integers!(u64),
        (Dtype::I32, _) => integers!(i32),
        (Dtype::U32, _) => integers!(u32),
        (Dtype::I16, _) => integers!(i16),
        (Dtype::U16, _) => integers!(u16),
        (Dtype::I8, _) => integers!(i8),
        (Dtype::U8, _) => integers!(u8),
        _ => Vec::new(),
    }
}
