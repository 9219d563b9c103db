//! torch's format since version 1.6: a ZIP of `data.pkl` and of one entry for each storage, none of them compressed.

use std::io::Cursor;

use bytes::Bytes;
use zip::{CompressionMethod, ZipArchive};

use crate::{FormatError, state_dict};

/// What such files begin with.
pub const START: &[u8] = b"PK\x03\x04";

/// Entries of a ZIP as parts of the file.
#[derive(Debug)]
pub struct Archive {
    file: Bytes,
    zip: ZipArchive<Cursor<Bytes>>,
    /// Name of the folder that everything lies in.
    folder: String,
    /// Bytes of entries that may still be read: entries may lie on top of each other.
    left: u64,
}

impl Archive {
    pub fn open(file: &Bytes) -> Result<Self, FormatError> {
        let zip = ZipArchive::new(Cursor::new(file.clone())).map_err(|error| damaged(error.to_string()))?;
        let folders: Vec<String> = zip
            .file_names()
            .filter_map(|name| name.ok()?.strip_suffix("/data.pkl").map(str::to_owned))
            .filter(|folder| !folder.contains('/'))
            .collect();
        if let Some(found) = other_zip(&zip, &folders) {
            return Err(FormatError::Other { found, expected: state_dict::EXPECTED });
        }
        let [folder] = &folders[..] else {
            return Err(damaged(format!(
                "`{}` entries `data.pkl` in it where there should be one",
                folders.len()
            )));
        };
        let (folder, left) = (folder.clone(), file.len() as u64);
        let mut archive = Self { file: file.clone(), zip, folder, left };
        if let Some(order) = archive.entry("byteorder")?
            && order[..] != b"little"[..]
        {
            return Err(damaged("its numbers are not little-endian"));
        }
        Ok(archive)
    }

    /// The bytes of an entry, none if there is no such entry.
    pub fn entry(&mut self, name: &str) -> Result<Option<Bytes>, FormatError> {
        let Some(index) = self.zip.index_for_name(&format!("{}/{name}", self.folder)) else {
            return Ok(None);
        };
        let unreadable = |detail: String| damaged(format!("its entry `{name}`: {detail}"));
        let entry = self.zip.by_index_raw(index).map_err(|error| unreadable(error.to_string()))?;
        if entry.compression() != CompressionMethod::Stored || entry.encrypted() {
            return Err(unreadable("compressed or encrypted, which torch does not do".to_owned()));
        }
        let (start, size, crc) = (entry.data_start(), entry.size(), entry.crc32());
        let end = start.and_then(|start| start.checked_add(size));
        let (Some(start), Some(end)) = (start, end.filter(|&end| end <= self.file.len() as u64)) else {
            return Err(unreadable("it ends outside the file".to_owned()));
        };
        self.left = self.left.checked_sub(size).ok_or_else(|| unreadable("it lies on others".to_owned()))?;
        let bytes = self.file.slice(start as usize..end as usize);
        if crc32fast::hash(&bytes) != crc {
            return Err(unreadable("its checksum is another".to_owned()));
        }
        Ok(Some(bytes))
    }
}

/// What else a ZIP is: a program with its weights, or arrays. torch's own have `data.pkl` and no code.
fn other_zip(zip: &ZipArchive<Cursor<Bytes>>, folders: &[String]) -> Option<&'static str> {
    let has = |folder: &String| zip.index_for_name(&format!("{folder}/constants.pkl")).is_some();
    if folders.iter().any(has) || zip.file_names().flatten().any(|name| name.ends_with("/model.json")) {
        return Some("a TorchScript archive");
    }
    let arrays = folders.is_empty() && zip.file_names().flatten().any(|name| name.ends_with(".npy"));
    arrays.then_some("an archive of NumPy arrays (`.npz`)")
}

fn damaged(detail: impl Into<String>) -> FormatError {
    FormatError::Damaged { expected: "a torch archive", detail: detail.into() }
}
