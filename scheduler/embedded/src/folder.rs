//! A bucket's objects as plain files, and beside the buckets, in one hidden folder, what is not an object: the notes that
//! clients leave with objects, files that are being written, uploads in parts.

use std::collections::HashMap;
use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

/// Beside the buckets' folders; no bucket has such a name.
pub(crate) const HIDDEN: &str = ".fidelis";

/// What a client says of an object. (The names are those of s3s-fs, whose notes are read too.)
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Note {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_metadata: Option<HashMap<String, String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
}

/// Where an object and its note lie.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    object: PathBuf,
    note: PathBuf,
}

/// What there is to know of an object.
#[derive(Debug)]
pub(crate) struct Found {
    pub num_bytes: u64,
    pub modified: SystemTime,
    /// Changes with the object; no digest of it.
    pub mark: String,
    pub note: Note,
}

/// A folder of buckets.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    root: PathBuf,
}

impl Folder {
    /// The folder, without what a server that died was about to write.
    pub(crate) fn open(root: &Path) -> io::Result<Self> {
        let folder = Self { root: root.to_owned() };
        missing_is_fine(fs::remove_dir_all(folder.unfinished()))?;
        fs::create_dir_all(folder.unfinished())?;
        Ok(folder)
    }

    pub(crate) fn bucket(&self, bucket: &str) -> PathBuf {
        self.root.join(bucket)
    }

    /// Every bucket, sorted.
    pub(crate) fn buckets(&self) -> io::Result<Vec<String>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.root)? {
            let entry = entry?;
            let name = entry.file_name().into_string().unwrap_or_default();
            if s3s::path::check_bucket_name(&name) && entry.file_type()?.is_dir() {
                found.push(name);
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    /// The place of a key; `None` for keys that are no path below the bucket's folder.
    pub(crate) fn place(&self, bucket: &str, key: &str) -> Option<Place> {
        let is_plain = |part: &str| !["", ".", ".."].contains(&part) && !part.contains('\0');
        let notes = self.root.join(HIDDEN).join("notes");
        key.split('/')
            .all(is_plain)
            .then(|| Place { object: self.bucket(bucket).join(key), note: notes.join(bucket).join(key) })
    }

    /// Where the parts of uploads lie until they are an object.
    pub(crate) fn uploads(&self) -> PathBuf {
        self.root.join(HIDDEN).join("uploads")
    }

    fn unfinished(&self) -> PathBuf {
        self.root.join(HIDDEN).join("unfinished")
    }

    /// Writes an object and its note. Whoever reads meanwhile gets the old one or the new; whoever reads after a crash
    /// may get the new one without a note, never with another's. Gives the object's mark.
    pub(crate) fn write(&self, place: &Place, pieces: &[Bytes], note: &Note) -> io::Result<String> {
        let mut file = self.begin()?;
        pieces.iter().try_for_each(|piece| file.write_all(piece))?;
        self.keep(place, file, note)
    }

    /// A file that is not an object yet, with the rights that any new file has.
    pub(crate) fn begin(&self) -> io::Result<NamedTempFile> {
        let plain = Permissions::from_mode(0o666);
        tempfile::Builder::new().permissions(plain).tempfile_in(self.unfinished())
    }

    /// Makes a file an object; gives its mark.
    pub(crate) fn keep(&self, place: &Place, file: NamedTempFile, note: &Note) -> io::Result<String> {
        let mark = mark_of(&file.as_file().metadata()?);
        // To look costs less than to remove what is not there.
        if fs::symlink_metadata(&place.note).is_ok() {
            missing_is_fine(fs::remove_file(&place.note))?;
        }
        put(file, &place.object)?;
        // Cut off, it says nothing.
        let note = serde_json::to_vec(note)?;
        match fs::write(&place.note, &note) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                make_folder_of(&place.note)?;
                fs::write(&place.note, &note)?;
            }
            written => written?,
        }
        Ok(mark)
    }
}

impl Place {
    pub(crate) fn is_taken(&self) -> bool {
        self.object.is_file()
    }

    /// The object, if there is one.
    pub(crate) fn open(&self) -> io::Result<Option<(File, Found)>> {
        let opened = absent_is_none(File::open(&self.object))?;
        let Some(file) = opened else { return Ok(None) };
        let meta = file.metadata()?;
        if !meta.is_file() {
            return Ok(None);
        }
        let note = absent_is_none(fs::read(&self.note))?;
        let found = Found {
            num_bytes: meta.len(),
            modified: meta.modified()?,
            mark: mark_of(&meta),
            // One that is damaged says nothing.
            note: note.and_then(|note| serde_json::from_slice(&note).ok()).unwrap_or_default(),
        };
        Ok(Some((file, found)))
    }

    /// Removes object and note, whether they are there or not.
    pub(crate) fn remove(&self) -> io::Result<()> {
        missing_is_fine(fs::remove_file(&self.note))?;
        missing_is_fine(fs::remove_file(&self.object))
    }

    /// Takes a note that was written elsewhere.
    pub(crate) fn adopt_note(&self, from: &Path) -> io::Result<()> {
        make_folder_of(&self.note)?;
        fs::rename(from, &self.note)
    }
}

/// What changes with a file's content, without reading it.
pub(crate) fn mark_of(meta: &Metadata) -> String {
    format!("{:x}-{:x}-{:x}-{:x}", meta.mtime(), meta.mtime_nsec(), meta.len(), meta.ino())
}

/// Renames a file into its place, whose folder is made where it is missing.
fn put(file: NamedTempFile, path: &Path) -> io::Result<()> {
    match file.persist(path) {
        Err(refused) if refused.error.kind() == ErrorKind::NotFound => {
            make_folder_of(path)?;
            refused.file.persist(path)?;
        }
        kept => drop(kept?),
    }
    Ok(())
}

fn make_folder_of(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)
}

fn missing_is_fine(result: io::Result<()>) -> io::Result<()> {
    absent_is_none(result).map(drop)
}

/// Nothing has such a name, or what has it is no folder.
fn absent_is_none<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error),
    }
}
