//! Features as `.safetensors`.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use safetensors::Dtype as Stored;
use safetensors::tensor::{Metadata, TensorInfo};

use super::{DETECTOR_KEY, FeatureFile, Values, damaged, shape_of};
use crate::stats::detector_name;
use crate::{FormatError, tensors};

const MAX_HEADER_BYTES: u64 = 16 << 20;

pub(super) fn open(mut file: File) -> Result<FeatureFile, FormatError> {
    let (metadata, data) = read_header(&mut file)?;
    let hint = "give a file as `fidelis-worker features` writes it";
    let info = metadata.info("features").ok_or(FormatError::Missing { name: "features", hint })?;
    let stored = format!("{:?}", info.dtype);
    let dtype = tensors::dtype(info.dtype).filter(|dtype| dtype.floats(&[]).is_some());
    let (num_rows, dim) = shape_of("features", &stored, dtype.is_some(), &info.shape)?;
    let offset = data + info.data_offsets.0 as u64;
    let mut integers = |name: &str| match metadata.info(name) {
        Some(info) if info.dtype == Stored::I64 && info.shape == [num_rows as usize] => {
            read_integers(&mut file, info, data).map(Some)
        }
        _ => Ok(None),
    };
    let seeds = integers("seeds")?.map(|seeds| seeds.into_iter().map(|seed| seed as u64).collect());
    let labels = integers("labels")?;
    let named = metadata.metadata().as_ref().and_then(|named| named.get(DETECTOR_KEY));
    let detector = named.and_then(|name| detector_name(name));
    let dtype = dtype.ok_or_else(|| damaged("its numbers are no floats"))?;
    Ok(FeatureFile {
        values: Values::File { file, offset, buffer: Vec::new() },
        dtype,
        num_rows,
        dim,
        seeds,
        labels,
        detector,
    })
}

/// The header, and where the data after it begins.
fn read_header(file: &mut File) -> Result<(Metadata, u64), FormatError> {
    let num_bytes = file.metadata()?.len();
    let mut length = [0; 8];
    file.read_exact(&mut length).map_err(|_| damaged("it ends in its header"))?;
    let length = u64::from_le_bytes(length);
    if length > MAX_HEADER_BYTES || length + 8 > num_bytes {
        return Err(damaged(format!("a header of `{length}` bytes")));
    }
    let mut header = vec![0; length as usize];
    file.read_exact(&mut header)?;
    let metadata: Metadata =
        serde_json::from_slice(&header).map_err(|error| damaged(error.to_string().to_lowercase()))?;
    let data = 8 + length;
    let expected = data + metadata.data_len() as u64;
    if expected != num_bytes {
        return Err(damaged(format!("`{num_bytes}` bytes where its header announces `{expected}`")));
    }
    Ok((metadata, data))
}

fn read_integers(file: &mut File, info: &TensorInfo, data: u64) -> Result<Vec<i64>, FormatError> {
    let (begin, end) = info.data_offsets;
    let mut bytes = vec![0; end - begin];
    file.seek(SeekFrom::Start(data + begin as u64))?;
    file.read_exact(&mut bytes)?;
    Ok(bytes.as_chunks().0.iter().map(|&b| i64::from_le_bytes(b)).collect())
}
