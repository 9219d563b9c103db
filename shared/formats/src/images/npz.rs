//! ADM's sample files: `arr_0`, uint8 `[N, H, W, C]`, and classes in `arr_1`.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use zip::{CompressionMethod, ZipArchive};

use super::rows::{Rows, Values};
use super::view::View;
use super::{DatasetError, ReadAt, codec};
use crate::npy::{self, Header};

/// A compressed array is inflated into memory: larger ones must be saved without compression.
const MAX_INFLATED_BYTES: u64 = 4 << 30;
/// Far above any dataset; keeps a damaged header from asking for gigabytes of classes.
const MAX_IMAGES: u64 = 1 << 27;

/// Opens the file that is called `path`.
pub fn open(path: &Path, file: &Arc<dyn ReadAt>) -> Result<Rows, DatasetError> {
    let damaged = |detail: String| DatasetError::damaged(path, detail);
    let mut zip = ZipArchive::new(View::new(file.clone())).map_err(|e| damaged(e.to_string()))?;
    let labels = read_labels(&mut zip).map_err(damaged)?;
    read_images(&mut zip, file).map_err(damaged)?.labelled(path, labels)
}

fn read_labels(zip: &mut ZipArchive<View>) -> Result<Vec<i64>, String> {
    let Some(place) = zip.index_for_name("arr_1.npy") else { return Ok(Vec::new()) };
    let mut entry = zip.by_index(place).map_err(|error| error.to_string())?;
    let known = Header::read(&mut entry).map_err(|error| format!("`arr_1`: {error}"))?;
    drop(entry);
    if !npy::is_number(&known.descr) {
        // Words, objects: no classes, and a distance needs none.
        return Ok(Vec::new());
    }
    let mut entry = zip.by_index(place).map_err(|error| error.to_string())?;
    let labels = npy::decode(&mut entry, MAX_IMAGES).map_err(|error| format!("`arr_1`: {error}"))?;
    match labels.shape[..] {
        [_] | [_, 1] if labels.values.iter().all(|label| label.fract() == 0.0) => {
            Ok(labels.values.into_iter().map(|label| label as i64).collect())
        }
        [_, width] if width > 1 => Ok(one_hot(&labels.values, width).unwrap_or_default()),
        _ => Ok(Vec::new()),
    }
}

/// The place of the one in each row of zeros, if that is what all rows are.
fn one_hot(values: &[f64], width: usize) -> Option<Vec<i64>> {
    let place = |row: &[f64]| {
        let place = row.iter().position(|&value| value == 1.0)?;
        (row.iter().filter(|&&value| value != 0.0).count() == 1).then_some(place as i64)
    };
    values.chunks_exact(width).map(place).collect()
}

fn read_images(zip: &mut ZipArchive<View>, file: &Arc<dyn ReadAt>) -> Result<Rows, String> {
    let rows = |(num_images, shape), values| Rows {
        num_images,
        shape,
        values,
        is_interleaved: true,
        labels: Arc::default(),
    };
    let place = zip.index_for_name("arr_0.npy").ok_or("it has no array `arr_0`")?;
    let entry = zip.by_index_raw(place).map_err(|error| error.to_string())?;
    let (start, size, method) = (entry.data_start(), entry.size(), entry.compression());
    let (encrypted, start) = (entry.encrypted(), start.ok_or("`arr_0` is nowhere")?);
    drop(entry);
    if method == CompressionMethod::Stored && !encrypted {
        let mut view = View::at(file.clone(), start);
        let (num_images, shape) = images_of(&mut view)?;
        let offset = view.position();
        let expected = num_images.checked_mul(shape.iter().product::<usize>() as u64);
        let end = expected.and_then(|len| offset.checked_add(len));
        let file_len = file.num_bytes().map_err(|error| error.to_string())?;
        if end.is_none_or(|end| end - start != size || end > file_len) {
            return Err("`arr_0` is of another length than its header says".to_owned());
        }
        return Ok(rows((num_images, shape), Values::Stored { file: file.clone(), offset }));
    }
    let mut entry = zip.by_index(place).map_err(|error| error.to_string())?;
    let (num_images, shape) = images_of(&mut entry)?;
    let expected = num_images.saturating_mul(shape.iter().product::<usize>() as u64);
    if expected > MAX_INFLATED_BYTES {
        return Err(format!(
            "`arr_0` inflates to more than `{MAX_INFLATED_BYTES}` bytes: save it uncompressed"
        ));
    }
    let mut bytes = Vec::new();
    entry.take(expected + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 != expected {
        return Err("`arr_0` is of another length than its header says".to_owned());
    }
    Ok(rows((num_images, shape), Values::Memory(bytes.into())))
}

/// Reads the header of the images: how many, and `[C, H, W]`.
fn images_of(reader: &mut impl Read) -> Result<(u64, [usize; 3]), String> {
    let header = Header::read(reader).map_err(|error| format!("`arr_0`: {error}"))?;
    let (&[n, h, w, c], "|u1" | "<u1" | "u1", false) = (&header.shape[..], &header.descr[..], header.fortran)
    else {
        return Err(format!("`arr_0` is {} {:?}, expected |u1 [N, H, W, C]", header.descr, header.shape));
    };
    if !matches!(c, 1 | 3) || !(1..=codec::MAX_SIDE).contains(&h) || !(1..=codec::MAX_SIDE).contains(&w) {
        return Err(format!("images of {c} channels and {w}x{h} pixels, expected 1 or 3 channels"));
    }
    Ok((n as u64, [c, h, w]))
}
