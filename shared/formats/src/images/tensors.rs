//! Images of a safetensors file: `images` uint8 `[N, C, H, W]` and, if there, `labels`.

use std::{io, path::Path, sync::Arc};

use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};

use super::rows::{Rows, Values};
use super::view::read_exact_at;
use super::{DatasetError, ReadAt};
use crate::tensors;

/// Opens the file that is called `path`: reads its header and its labels.
pub fn open(path: &Path, file: &Arc<dyn ReadAt>) -> Result<Rows, DatasetError> {
    let failed = |source| DatasetError::Read { path: path.to_owned(), source };
    let damaged = |detail: String| DatasetError::damaged(path, detail);
    let read = |start: u64, len: usize| -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; len];
        read_exact_at(&**file, &mut bytes, start).map(|()| bytes)
    };
    let len = file.num_bytes().map_err(failed)?;
    let start = read(0, len.min(tensors::LENGTH_BYTES as u64) as usize).map_err(failed)?;
    let end = tensors::header_end(&start, len).map_err(|error| damaged(error.to_string()))?;
    let header =
        tensors::header(&read(0, end).map_err(failed)?, len).map_err(|error| damaged(error.to_string()))?;
    let images = header.info("images").ok_or_else(|| damaged(no_images(&header)))?;
    let (&[n, c, h, w], Dtype::U8) = (&images.shape[..], images.dtype) else {
        return Err(damaged(format!(
            "`images` is {:?} {:?}, expected U8 [N, C, H, W]",
            images.dtype, images.shape
        )));
    };
    if !matches!(c, 1 | 3) || h * w == 0 {
        return Err(damaged(format!("images of {c} channels and {w}x{h} pixels, expected 1 or 3 channels")));
    }
    let place = |info: &TensorInfo| {
        (end as u64 + info.data_offsets.0 as u64, info.data_offsets.1 - info.data_offsets.0)
    };
    let labels = match header.info("labels") {
        Some(info) => {
            let (start, len) = place(info);
            classes(info, &read(start, len).map_err(failed)?)
        }
        None => Vec::new(),
    };
    let rows = Rows {
        num_images: n as u64,
        shape: [c, h, w],
        values: Values::Stored { file: file.clone(), offset: place(images).0 },
        is_interleaved: false,
        labels: Arc::default(),
    };
    rows.labelled(path, labels)
}

fn no_images(header: &Metadata) -> String {
    if header.info("latents").is_some() {
        return "it has `latents` but no tensor `images`: `fidelis-worker sample` writes them too where it can make \
                pixels; for a latent net give it the autoencoder with `--vae`"
            .to_owned();
    }
    "it has no tensor `images`".to_owned()
}

/// Of integers of any type, one for each image; of anything else there are none, and a distance needs none.
fn classes(labels: &TensorInfo, bytes: &[u8]) -> Vec<i64> {
    macro_rules! integers {
        ($type:ty) => {
            bytes.as_chunks().0.iter().map(|&bytes| <$type>::from_le_bytes(bytes) as i64).collect()
        };
    }
    match (labels.dtype, &labels.shape[..]) {
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
