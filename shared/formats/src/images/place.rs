//! Where a dataset lies: a file or a folder, on this machine or far away. What is far is read a piece at a time, and never
//! fetched whole.

use std::ffi::{OsStr, OsString};
use std::fmt::Debug;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{DatasetError, ReadAt};
use crate::tree::{self, TreeError};

/// The files below a folder.
pub trait Below: Debug + Send + Sync {
    /// Their names, relative to the folder, with `/`, in the order of their bytes. Hidden ones are passed over.
    ///
    /// # Errors
    /// They cannot be listed.
    fn files(&self) -> Result<Vec<OsString>, TreeError>;

    /// One of them.
    ///
    /// # Errors
    /// It cannot be read; [`io::ErrorKind::NotFound`] where there is none.
    fn read(&self, name: &OsStr) -> io::Result<Vec<u8>>;

    /// Its first bytes, `num_bytes` at most.
    ///
    /// # Errors
    /// As [`Self::read`].
    fn head(&self, name: &OsStr, num_bytes: u64) -> io::Result<Vec<u8>>;

    /// Whether each look is so slow that one does without.
    fn is_far(&self) -> bool;
}

/// A folder of this machine.
#[derive(Debug)]
struct Here(PathBuf);

impl Below for Here {
    fn files(&self) -> Result<Vec<OsString>, TreeError> {
        tree::files(&self.0)
    }

    fn read(&self, name: &OsStr) -> io::Result<Vec<u8>> {
        fs::read(self.0.join(name))
    }

    fn head(&self, name: &OsStr, num_bytes: u64) -> io::Result<Vec<u8>> {
        let mut head = Vec::new();
        File::open(self.0.join(name))?.take(num_bytes).read_to_end(&mut head)?;
        Ok(head)
    }

    fn is_far(&self) -> bool {
        false
    }
}

/// A dataset's place.
#[derive(Clone, Debug)]
pub struct Place {
    /// What it is called in what is said of it; its name tells what kind of dataset it is.
    path: PathBuf,
    pub(super) what: What,
}

#[derive(Clone, Debug)]
pub(super) enum What {
    File {
        file: Arc<dyn ReadAt>,
        /// An idx file's classes, which lie beside it.
        labels: Option<Arc<dyn ReadAt>>,
    },
    Folder(Arc<dyn Below>),
}

impl Place {
    /// A file or folder of this machine.
    ///
    /// # Errors
    /// It cannot be opened, or is neither.
    pub fn here(path: &Path) -> Result<Self, DatasetError> {
        let failed = |source| DatasetError::Read { path: path.to_owned(), source };
        let found = fs::metadata(path).map_err(failed)?;
        if found.is_dir() {
            return Ok(Self::folder(path, Arc::new(Here(path.to_owned()))));
        }
        if !found.is_file() {
            return Err(DatasetError::Unknown(path.to_owned()));
        }
        let open = |path: &Path| -> Result<Arc<dyn ReadAt>, DatasetError> {
            let failed = |source| DatasetError::Read { path: path.to_owned(), source };
            Ok(Arc::new(File::open(path).map_err(failed)?))
        };
        let beside = path.file_name().and_then(|name| Self::labels_beside(&name.to_string_lossy()));
        let beside = beside.map(|name| path.with_file_name(name)).filter(|beside| beside.exists());
        Ok(Self::file(path, open(path)?, beside.map(|beside| open(&beside)).transpose()?))
    }

    /// A file that lies anywhere, with the one that [`Self::labels_beside`] names.
    pub fn file(path: &Path, file: Arc<dyn ReadAt>, labels: Option<Arc<dyn ReadAt>>) -> Self {
        Self { path: path.to_owned(), what: What::File { file, labels } }
    }

    /// A folder that lies anywhere.
    pub fn folder(path: &Path, below: Arc<dyn Below>) -> Self {
        Self { path: path.to_owned(), what: What::Folder(below) }
    }

    /// Whether a name is that of a dataset in one file.
    pub fn is_file_name(name: &str) -> bool {
        Kind::of(name).is_some()
    }

    /// Of a file of images, the name of the one beside it that holds their classes.
    pub fn labels_beside(name: &str) -> Option<String> {
        name.contains("images-idx3").then(|| name.replace("images-idx3", "labels-idx1"))
    }

    /// What it is called.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether every look at it takes long.
    pub fn is_far(&self) -> bool {
        match &self.what {
            What::File { file, .. } => file.is_far(),
            What::Folder(below) => below.is_far(),
        }
    }

    pub(super) fn kind(&self) -> Option<Kind> {
        Kind::of(&self.path.file_name().map(OsStr::to_string_lossy).unwrap_or_default())
    }
}

/// How a file holds a dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Zip,
    Npz,
    Safetensors,
    Idx,
}

impl Kind {
    fn of(name: &str) -> Option<Self> {
        let name = name.to_lowercase();
        Some(match () {
            () if name.ends_with(".zip") => Self::Zip,
            () if name.ends_with(".npz") => Self::Npz,
            () if name.ends_with(".safetensors") => Self::Safetensors,
            () if name.contains("-idx3-ubyte") => Self::Idx,
            () => return None,
        })
    }
}
