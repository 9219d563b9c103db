//! A ZIP of encoded images.

use std::{
    io::{self, Read},
    path::Path,
    sync::Arc,
};

use zip::{ZipArchive, result::ZipError};

use super::names::{self, Named};
use super::view::{Ahead, ReadAt, View};
use super::{DatasetError, Image, ImageError, codec, labels};
use crate::{sniff, tree};

/// An entry that inflates to more is no image but a bomb.
const MAX_ENTRY_BYTES: u64 = 256 << 20;
/// What stands in front of a member, its name included, as far as anybody writes it.
const MAX_HEADER_BYTES: u64 = 512;

#[derive(Clone, Debug)]
pub struct Archive {
    zip: ZipArchive<View>,
    ahead: Option<Ahead>,
    images: Arc<Entries>,
}

#[derive(Debug)]
struct Entries {
    /// Names of the members that are meant, sorted, and their places in the archive.
    names: Vec<String>,
    places: Vec<usize>,
    labels: Vec<Option<i64>>,
}

/// Which members of a folder or an archive are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Members {
    /// Pictures of any format.
    Images,
    /// NumPy's arrays, by their names.
    Arrays,
}

impl Members {
    /// Whether a name is an array's.
    pub fn is_array(name: &str) -> bool {
        name.to_ascii_lowercase().ends_with(".npy")
    }
}

impl Archive {
    /// An archive that lies anywhere, and is called `path`.
    pub fn of(path: &Path, file: Arc<dyn ReadAt>, members: Members) -> Result<Self, DatasetError> {
        let damaged = |detail: String| DatasetError::damaged(path, detail);
        let view = View::new(file);
        let ahead = view.ahead();
        let mut zip = ZipArchive::new(view).map_err(|error| match error {
            // The server's words, not the archive's fault.
            ZipError::Io(source) if source.get_ref().is_some() => {
                DatasetError::Read { path: path.to_owned(), source }
            }
            error => damaged(error.to_string()),
        })?;
        let mut entries = Vec::new();
        let mut table = None;
        for place in 0..zip.len() {
            let name = zip.name_for_index(place).and_then(Result::ok).map(|name| name.into_owned());
            let Some(name) = name else {
                return Err(damaged(format!("entry `{place}` has no readable name")));
            };
            if name.ends_with('/') || names::is_hidden(&name) {
                continue;
            }
            if name == labels::FILE {
                table = Some(place);
            } else if match members {
                Members::Images => is_image(&mut zip, &name, place),
                Members::Arrays => Members::is_array(&name),
            } {
                entries.push((name, place));
            }
        }
        entries.sort();
        let (names, places): (Vec<_>, Vec<_>) = entries.into_iter().unzip();
        let labels = match table {
            Some(place) => {
                let json = read_entry(&mut zip, place).map_err(|error| damaged(error.to_string()))?;
                labels::parse(&json, &names).map_err(damaged)?
            }
            None => Vec::new(),
        };
        Ok(Self { zip, ahead, images: Arc::new(Entries { names, places, labels }) })
    }

    pub fn len(&self) -> u64 {
        self.images.names.len() as u64
    }

    pub fn name(&self, index: u64) -> String {
        self.images.names.get(index as usize).map(|name| tree::shown(name.as_ref())).unwrap_or_default()
    }

    pub fn label(&self, index: u64) -> Option<i64> {
        self.images.labels.get(index as usize).copied().flatten()
    }

    pub fn read(&mut self, index: u64) -> Result<Image, ImageError> {
        codec::decode(&self.bytes(index)?)
    }

    /// The member as it is.
    pub fn bytes(&mut self, index: u64) -> Result<Vec<u8>, ImageError> {
        let place = self.images.places[index as usize];
        if let (Some(ahead), Ok(entry)) = (&self.ahead, self.zip.by_index_data(place)) {
            ahead.expect(entry.compressed_size() + MAX_HEADER_BYTES);
        }
        read_entry(&mut self.zip, place)
    }

    /// Its first bytes, `num_bytes` at most.
    pub fn head(&mut self, index: u64, num_bytes: u64) -> Result<Vec<u8>, ImageError> {
        let entry = self.zip.by_index(self.images.places[index as usize]).map_err(ImageError::damaged)?;
        let mut head = Vec::new();
        entry.take(num_bytes).read_to_end(&mut head)?;
        Ok(head)
    }
}

/// What cannot be looked into is an image, so that reading it says why.
fn is_image(zip: &mut ZipArchive<View>, name: &str, place: usize) -> bool {
    match names::named(name) {
        Named::Image => true,
        Named::Other => false,
        Named::Unclear => {
            let mut head = Vec::new();
            let read = |entry: zip::read::ZipFile<'_, View>| {
                entry.take(sniff::HEAD_BYTES as u64).read_to_end(&mut head)
            };
            zip.by_index(place).map_err(io::Error::from).and_then(read).is_err()
                || names::begins_as_image(&head)
        }
    }
}

/// The zip crate checks the entry's CRC at its end.
fn read_entry(zip: &mut ZipArchive<View>, place: usize) -> Result<Vec<u8>, ImageError> {
    let entry = zip.by_index(place).map_err(|error| match error {
        ZipError::Io(error) if error.get_ref().is_some() => ImageError::Read(error),
        error => ImageError::damaged(error),
    })?;
    let mut bytes = Vec::new();
    entry.take(MAX_ENTRY_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_ENTRY_BYTES {
        return Err(ImageError::Damaged(format!("it inflates to more than `{MAX_ENTRY_BYTES}` bytes")));
    }
    Ok(bytes)
}
