//! The idx format of MNIST and Fashion-MNIST: a big-endian header, then raw bytes; plain or gzipped.

use std::{io::Read, path::Path, sync::Arc};

use flate2::read::GzDecoder;

use super::rows::{Rows, Values};
use super::view::{View, read_exact_at};
use super::{DatasetError, Place, ReadAt};

/// Far above any idx file in use; keeps a hostile gzip from filling the memory.
const MAX_BYTES: u64 = 4 << 30;
/// Compressed, it has no places to read from, and comes into memory whole.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Opens the file of images that is called `path`, and reads the file of classes.
pub fn open(
    path: &Path,
    file: &Arc<dyn ReadAt>,
    labels: Option<&Arc<dyn ReadAt>>,
) -> Result<Rows, DatasetError> {
    let (shape, values) = array(path, file, 3)?;
    let rows = Rows {
        num_images: shape[0] as u64,
        shape: [1, shape[1], shape[2]],
        values,
        is_interleaved: false,
        labels: Arc::default(),
    };
    let Some(labels) = labels else { return Ok(rows) };
    let name = path.file_name().and_then(|name| Place::labels_beside(&name.to_string_lossy()));
    let beside = path.with_file_name(name.unwrap_or_default());
    let failed = |source| DatasetError::Read { path: beside.clone(), source };
    let classes = match array(&beside, labels, 1)? {
        (_, Values::Memory(bytes)) => bytes.to_vec(),
        (shape, Values::Stored { file, offset }) => {
            let mut bytes = vec![0; shape[0]];
            read_exact_at(&*file, &mut bytes, offset).map_err(failed)?;
            bytes
        }
    };
    rows.labelled(path, classes.into_iter().map(i64::from).collect())
}

/// The shape, and where the values are, of an uint8 array with `dims` dimensions.
fn array(path: &Path, file: &Arc<dyn ReadAt>, dims: usize) -> Result<(Vec<usize>, Values), DatasetError> {
    let failed = |source| DatasetError::Read { path: path.to_owned(), source };
    let header_len = 4 + 4 * dims;
    let mut header = Vec::new();
    let head = |file: &mut dyn Read, header: &mut Vec<u8>| file.take(header_len as u64).read_to_end(header);
    head(&mut plain(file), &mut header).map_err(failed)?;
    let inflated = || GzDecoder::new(View::new(file.clone())).take(MAX_BYTES);
    let mut inflated = header.starts_with(&GZIP).then(inflated);
    if let Some(inflated) = &mut inflated {
        header.clear();
        head(inflated, &mut header).map_err(failed)?;
    }
    if header.len() < header_len || header[..4] != [0, 0, 8, dims as u8] {
        let detail = format!("its header is not that of uint8 data in {dims} dimensions");
        return Err(DatasetError::damaged(path, detail));
    }
    let sizes = header[4..].as_chunks().0.iter();
    let shape: Vec<usize> = sizes.map(|&size| u32::from_be_bytes(size) as usize).collect();
    let (len, values) = if let Some(mut rest) = inflated {
        let mut bytes = Vec::new();
        rest.read_to_end(&mut bytes).map_err(failed)?;
        (bytes.len() as u64, Values::Memory(bytes.into()))
    } else {
        let offset = header_len as u64;
        (file.num_bytes().map_err(failed)? - offset, Values::Stored { file: file.clone(), offset })
    };
    let expected = shape.iter().try_fold(1_u64, |n, &d| n.checked_mul(d as u64)).unwrap_or(u64::MAX);
    if len != expected || expected == 0 {
        let detail = format!("its header promises {expected} bytes, it holds {len}");
        return Err(DatasetError::damaged(path, detail));
    }
    Ok((shape, values))
}

/// A few bytes of its beginning, without reading ahead.
fn plain(file: &Arc<dyn ReadAt>) -> impl Read {
    let view = View::new(file.clone());
    if let Some(ahead) = view.ahead() {
        ahead.expect(0);
    }
    view
}
