//! Features as NumPy writes them.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

use super::{FeatureFile, Values, damaged, shape_of};
use crate::npy::{self, Header};
use crate::stats::detector_name;
use crate::{Dtype, FormatError, pickle, text};

/// Arrays that must be held in memory, compressed ones and Fortran's, are no larger.
const MAX_BYTES_IN_MEMORY: u64 = 4 << 30;
/// Seeds of a run.
const MAX_SEEDS: u64 = 1 << 27;

/// What stands in front of the values of features.
struct Shape {
    dtype: Dtype,
    num_rows: u64,
    dim: usize,
    fortran: bool,
}

impl Shape {
    fn read(reader: &mut impl Read, name: &str) -> Result<Self, FormatError> {
        let header = Header::read(reader)?;
        if header.descr.starts_with('>') {
            return Err(damaged(format!("`{name}` is big-endian ({}): save it as `<f4`", header.descr)));
        }
        let dtype = pickle::numpy_dtype(header.descr.trim_start_matches(['<', '|', '=']));
        let dtype = dtype.filter(|dtype| dtype.floats(&[]).is_some());
        let (num_rows, dim) = shape_of(name, &header.descr, dtype.is_some(), &header.shape)?;
        let dtype = dtype.ok_or_else(|| damaged("its numbers are no floats"))?;
        Ok(Self { dtype, num_rows, dim, fortran: header.fortran })
    }

    fn num_bytes(&self) -> u64 {
        self.num_rows.saturating_mul((self.dim * self.dtype.size()) as u64)
    }

    fn in_memory(&self, reader: &mut impl Read) -> Result<Values, FormatError> {
        let (what, value, limit) = ("length in bytes, uncompressed", self.num_bytes(), MAX_BYTES_IN_MEMORY);
        if value > limit {
            return Err(FormatError::TooLarge { what, value, limit });
        }
        let mut bytes = Vec::new();
        let read = reader.take(value + 1).read_to_end(&mut bytes);
        read.map_err(|error| damaged(text::message(&error.to_string())))?;
        self.check_len(bytes.len() as u64)?;
        Ok(Values::Memory { bytes, fortran: self.fortran })
    }

    fn check_len(&self, found: u64) -> Result<(), FormatError> {
        let expected = self.num_bytes();
        let detail = || format!("not the `{expected}` bytes of values that its header announces");
        if found == expected { Ok(()) } else { Err(damaged(detail())) }
    }

    fn with(self, values: Values) -> FeatureFile {
        let Self { dtype, num_rows, dim, .. } = self;
        FeatureFile { values, dtype, num_rows, dim, seeds: None, labels: None, detector: None }
    }
}

fn unreadable(error: ZipError) -> FormatError {
    damaged(text::message(&error.to_string().to_lowercase()))
}

pub(super) fn open_npy(mut file: File) -> Result<FeatureFile, FormatError> {
    let shape = Shape::read(&mut file, "it")?;
    let offset = file.stream_position()?;
    let values = if shape.fortran {
        shape.in_memory(&mut file)?
    } else {
        shape.check_len(file.metadata()?.len().saturating_sub(offset))?;
        Values::File { file, offset, buffer: Vec::new() }
    };
    Ok(shape.with(values))
}

pub(super) fn open_npz(file: File) -> Result<FeatureFile, FormatError> {
    let mut zip = ZipArchive::new(file.try_clone()?).map_err(unreadable)?;
    let name = array_of(&zip)?;
    let index = zip.index_for_name(&name).ok_or_else(|| damaged("its array is not there"))?;
    let array = text::name(name.trim_end_matches(".npy"));
    let (shape, values) = values_of(&mut zip, index, (file, &array))?;
    let mut features = shape.with(values);
    if let Ok(mut entry) = zip.by_name("detector.npy") {
        features.detector = npy::decode_text(&mut entry).and_then(|name| detector_name(&name));
    }
    let mut integers = |name| {
        let array = npy::decode(&mut zip.by_name(name).ok()?, MAX_SEEDS).ok()?;
        (array.shape == [features.num_rows as usize]).then_some(array.values)
    };
    let (seeds, labels) = (integers("seeds.npy"), integers("labels.npy"));
    features.seeds = seeds.map(|seeds| seeds.into_iter().map(|seed| seed as u64).collect());
    features.labels = labels.map(|labels| labels.into_iter().map(|label| label as i64).collect());
    Ok(features)
}

/// In the file itself where the entry lies there row by row, else in memory.
fn values_of(
    zip: &mut ZipArchive<File>,
    index: usize,
    (mut file, array): (File, &str),
) -> Result<(Shape, Values), FormatError> {
    let entry = zip.by_index_raw(index).map_err(unreadable)?;
    let stored = entry.compression() == CompressionMethod::Stored && !entry.encrypted();
    let (start, size) = (entry.data_start(), entry.size());
    drop(entry);
    let mut entry = zip.by_index(index).map_err(unreadable)?;
    let shape = Shape::read(&mut entry, array)?;
    let Some(start) = start.filter(|_| stored && !shape.fortran) else {
        let values = shape.in_memory(&mut entry)?;
        return Ok((shape, values));
    };
    drop(entry);
    file.seek(SeekFrom::Start(start))?;
    Header::read(&mut file)?;
    let offset = file.stream_position()?;
    let end = start.saturating_add(size).min(file.metadata()?.len());
    shape.check_len(end.saturating_sub(offset))?;
    Ok((shape, Values::File { file, offset, buffer: Vec::new() }))
}

/// The entry with the features: the one of that name, or the only one.
fn array_of(zip: &ZipArchive<File>) -> Result<String, FormatError> {
    const FEATURES: &str = "features.npy";
    let names = zip.file_names().flatten().map(|name| name.into_owned());
    let is_other = |name: &String| ["seeds.npy", "detector.npy", "labels.npy"].contains(&name.as_str());
    let names: Vec<String> = names.filter(|name| name.ends_with(".npy") && !is_other(name)).collect();
    if names.iter().any(|name| name == FEATURES) {
        return Ok(FEATURES.to_owned());
    }
    match &names[..] {
        [one] => Ok(one.clone()),
        [] => Err(damaged("a ZIP without an array in it")),
        many => {
            let names: Vec<String> =
                many.iter().take(8).map(|name| text::name(name.trim_end_matches(".npy"))).collect();
            Err(damaged(format!(
                "`{}` in it: keep one array, or call the one with the features `features`",
                names.join("`, `")
            )))
        }
    }
}
