//! The idx format of MNIST and Fashion-MNIST: a big-endian header, then raw bytes; plain or gzipped.

use std::{
    fs::File,
    io::{self, Read, Seek},
    path::Path,
};

use flate2::read::GzDecoder;

use super::{DatasetError, tensors::Tensors};

/// Far above any idx file in use; keeps a hostile gzip from filling the memory.
const MAX_BYTES: u64 = 4 << 30;

/// Reads the images, and the classes in the labels file beside them, if it is there.
pub fn read(images: &Path) -> Result<Tensors, DatasetError> {
    let (shape, pixels) = read_array(images, 3)?;
    let name = images.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let beside = images.with_file_name(name.replace("images-idx3", "labels-idx1"));
    let labels = if name.contains("images-idx3") && beside.exists() {
        read_array(&beside, 1)?.1.into_iter().map(i64::from).collect()
    } else {
        Vec::new()
    };
    Tensors::new(images, [1, shape[1], shape[2]], pixels.into(), labels)
}

/// uint8 array with `dims` dimensions.
fn read_array(path: &Path, dims: usize) -> Result<(Vec<usize>, Vec<u8>), DatasetError> {
    let mut bytes =
        read_bytes(path).map_err(|source| DatasetError::Read { path: path.to_owned(), source })?;
    let header_len = 4 + 4 * dims;
    if bytes.len() < header_len || bytes[..4] != [0, 0, 8, dims as u8] {
        let detail = format!("its header is not that of uint8 data in {dims} dimensions");
        return Err(DatasetError::damaged(path, detail));
    }
    let sizes = bytes[4..header_len].as_chunks().0.iter();
    let shape: Vec<usize> = sizes.map(|&size| u32::from_be_bytes(size) as usize).collect();
    let data = bytes.split_off(header_len);
    let expected = shape.iter().try_fold(1_usize, |n, &d| n.checked_mul(d)).unwrap_or(usize::MAX);
    if data.len() != expected || expected == 0 {
        let detail = format!("its header promises {expected} bytes, it holds {}", data.len());
        return Err(DatasetError::damaged(path, detail));
    }
    Ok((shape, data))
}

fn read_bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let mut magic = [0; 2];
    let gzipped = file.read_exact(&mut magic).is_ok() && magic == [0x1f, 0x8b];
    file.rewind()?;
    let mut bytes = Vec::new();
    let source: Box<dyn Read> = if gzipped { Box::new(GzDecoder::new(file)) } else { Box::new(file) };
    source.take(MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}
