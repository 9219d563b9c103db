//! The idx format of MNIST and Fashion-MNIST: a big-endian header, then raw bytes.

use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;

use flate2::read::GzDecoder;
use tch::{Kind, Tensor};

use super::{DataError, ImageSet};

/// Far above any idx file in use; keeps a hostile gzip from filling the memory.
const MAX_BYTES: u64 = 4 << 30;

pub(super) fn read(images: &Path, labels: &Path) -> Result<ImageSet, DataError> {
    let pixels = read_array(images, 3)?;
    let [n, h, w] = pixels.size()[..] else { unreachable!("three dimensions were asked for") };
    let labels_tensor =
        if labels.exists() { Some(read_array(labels, 1)?.to_kind(Kind::Int64)) } else { None };
    if let Some(found) = labels_tensor.as_ref().filter(|l| l.size()[0] != n) {
        return Err(DataError::Count {
            images: images.to_owned(),
            num_images: n,
            labels: labels.to_owned(),
            num_labels: found.size()[0],
        });
    }
    Ok(ImageSet { images: pixels.reshape([n, 1, h, w]), labels: labels_tensor })
}

/// uint8 array with `dims` dimensions.
fn read_array(path: &Path, dims: usize) -> Result<Tensor, DataError> {
    let bytes = read_bytes(path).map_err(|source| DataError::Read { path: path.to_owned(), source })?;
    let wrong = |problem: String| DataError::Idx { path: path.to_owned(), problem };
    let header_len = 4 + 4 * dims;
    if bytes.len() < header_len || bytes[..4] != [0, 0, 8, dims as u8] {
        return Err(wrong(format!("its header is not that of uint8 data in {dims} dimensions")));
    }
    let shape: Vec<i64> = bytes[4..header_len]
        .chunks_exact(4)
        .map(|b| i64::from(u32::from_be_bytes([b[0], b[1], b[2], b[3]])))
        .collect();
    let data = &bytes[header_len..];
    let expected = shape.iter().try_fold(1i64, |n, &d| n.checked_mul(d)).unwrap_or(i64::MAX);
    if data.len() as i64 != expected || expected == 0 {
        return Err(wrong(format!("its header promises {expected} bytes, it holds {}", data.len())));
    }
    Ok(Tensor::from_data_size(data, &shape, Kind::Uint8))
}

fn read_bytes(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let mut magic = [0; 2];
    let gzipped = file.read_exact(&mut magic).is_ok() && magic == [0x1f, 0x8b];
    file.rewind()?;
    let mut bytes = Vec::new();
    let source: Box<dyn Read> = if gzipped { Box::new(GzDecoder::new(file)) } else { Box::new(file) };
    source.take(MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(dir: &Path, name: &str, bytes: &[u8]) -> std::path::PathBuf {
        let path = dir.join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    #[test]
    fn images_and_labels_are_read_and_damage_is_named() {
        let dir = std::env::temp_dir().join(format!("fidelis-idx-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let images = [&[0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2][..], &[1, 2, 3, 4]].concat();
        let path = write(&dir, "x-images-idx3-ubyte", &images);
        write(&dir, "x-labels-idx1-ubyte", &[0, 0, 8, 1, 0, 0, 0, 2, 7, 9]);
        let set = ImageSet::read(&path).unwrap();
        assert_eq!(set.images, Tensor::from_slice(&[1u8, 2, 3, 4]).reshape([2, 1, 1, 2]));
        assert_eq!(set.labels.unwrap(), Tensor::from_slice(&[7i64, 9]));
        let short = write(&dir, "short-images-idx3-ubyte", &images[..19]);
        assert!(ImageSet::read(&short).unwrap_err().to_string().contains("promises 4 bytes, it holds 3"));
        std::fs::remove_dir_all(dir).unwrap();
    }
}
