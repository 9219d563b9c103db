//! Where a training's files lie: a folder, or whatever else can list, read, replace and remove files by name.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Debug;
use std::fs;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use fidelis_contract::outcome::{Class, Outcome};
use fidelis_formats::{atomic, tensors};

/// Why a training's files could not be reached.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} `{place}`: {source}")]
pub struct OutdirError {
    /// `list`, `read`, `write` or `remove`.
    pub doing: &'static str,
    /// The file or the folder, as its user would name it.
    pub place: String,
    pub source: Box<dyn Error + Send + Sync>,
    pub class: Class,
}

/// Flat names, whole files. A file that is there is whole: what replaces it appears at once or not at all.
pub trait Outdir: Debug + Send + Sync {
    /// The names of all files; none where nothing was written yet.
    ///
    /// # Errors
    /// The place cannot be looked at.
    fn list(&self) -> Result<Vec<String>, OutdirError>;

    /// What a file holds.
    ///
    /// # Errors
    /// It is not there or cannot be read.
    fn read(&self, name: &str) -> Result<Vec<u8>, OutdirError>;

    /// How long a file is, and what it begins with: at most `num_bytes`.
    ///
    /// # Errors
    /// It is not there or cannot be read.
    fn begin(&self, name: &str, num_bytes: usize) -> Result<(u64, Vec<u8>), OutdirError>;

    /// Puts a file there, or in the place of the one of this name. When it returns, the file survives the process.
    ///
    /// # Errors
    /// It cannot be written; the old one stays.
    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), OutdirError>;

    /// Takes a file away; one that is not there is no error.
    ///
    /// # Errors
    /// It stays.
    fn remove(&self, name: &str) -> Result<(), OutdirError>;

    /// A file as its user would name it, for what is said about it.
    fn place(&self, name: &str) -> PathBuf;
}

/// How long a file is, and its metadata, where it is a whole `.safetensors`; nothing but its beginning is read.
///
/// # Errors
/// It is not there or cannot be read.
pub fn metadata(
    outdir: &dyn Outdir,
    name: &str,
) -> Result<(u64, Option<BTreeMap<String, String>>), OutdirError> {
    /// More than most headers.
    const FIRST: usize = 256 << 10;
    let (num_bytes, mut start) = outdir.begin(name, FIRST)?;
    let Ok(end) = tensors::header_end(&start, num_bytes) else { return Ok((num_bytes, None)) };
    if end > start.len() {
        start = outdir.begin(name, end)?.1;
    }
    Ok((num_bytes, tensors::metadata(&start, num_bytes).ok()))
}

/// A folder of this machine, made with the first file.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// At `path`, which need not be there yet; where it is, half files of writers that were killed are removed.
    ///
    /// # Errors
    /// Files cannot be put there.
    pub fn new(path: &Path) -> Result<Self, atomic::Unwritable> {
        atomic::check_folder(path)?;
        // What cannot be tidied is in nobody's way.
        atomic::sweep(path).ok();
        Ok(Self::to_read(path))
    }

    /// At `path`, where nothing need be written.
    pub fn to_read(path: &Path) -> Self {
        Self(path.to_owned())
    }
}

fn failed<T>(doing: &'static str, place: &Path, result: io::Result<T>) -> Result<T, OutdirError> {
    result.map_err(|source| OutdirError {
        doing,
        place: place.display().to_string(),
        class: source.class(),
        source: source.into(),
    })
}

impl Outdir for Folder {
    fn list(&self) -> Result<Vec<String>, OutdirError> {
        let names = || -> io::Result<Vec<String>> {
            let mut names = Vec::new();
            for entry in fs::read_dir(&self.0)? {
                names.extend(entry?.file_name().into_string().ok());
            }
            Ok(names)
        };
        match names() {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            listed => failed("list", &self.0, listed),
        }
    }

    fn read(&self, name: &str) -> Result<Vec<u8>, OutdirError> {
        let path = self.place(name);
        failed("read", &path, fs::read(&path))
    }

    fn begin(&self, name: &str, num_bytes: usize) -> Result<(u64, Vec<u8>), OutdirError> {
        let path = self.place(name);
        let begin = || -> io::Result<(u64, Vec<u8>)> {
            let file = fs::File::open(&path)?;
            let (len, mut start) = (file.metadata()?.len(), Vec::new());
            file.take(num_bytes as u64).read_to_end(&mut start)?;
            Ok((len, start))
        };
        failed("read", &path, begin())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), OutdirError> {
        let path = self.place(name);
        failed("write", &path, atomic::write(&path, bytes))
    }

    fn remove(&self, name: &str) -> Result<(), OutdirError> {
        let path = self.place(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            removed => failed("remove", &path, removed),
        }
    }

    fn place(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Outcome for OutdirError {
    fn class(&self) -> Class {
        self.class
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_lists_what_was_written_and_forgets_what_was_removed() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("not/yet");
        let folder = Folder::new(&path).unwrap();
        assert_eq!(folder.list().unwrap(), [""; 0]);
        folder.write("a", b"first").unwrap();
        folder.write("a", b"second").unwrap();
        assert_eq!(
            (folder.list().unwrap(), folder.read("a").unwrap()),
            (vec!["a".to_owned()], b"second".to_vec())
        );
        fs::write(folder.place(".fidelis-killed"), "half").unwrap();
        assert_eq!(Folder::new(&path).unwrap().list().unwrap(), ["a"]);
        assert_eq!(folder.begin("a", 3).unwrap(), (6, b"sec".to_vec()));
        assert_eq!(metadata(&folder, "a").unwrap(), (6, None));
        folder.remove("a").unwrap();
        folder.remove("a").unwrap();
        assert_eq!(folder.list().unwrap(), [""; 0]);
        let error = folder.read("a").unwrap_err();
        assert!(error.to_string().contains("not/yet/a") && error.class() == Class::Usage, "{error}");
    }
}
