//! Encoded images as files, in the order of their names from the folder down.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::archive::Members;
use super::names::{self, Named};
use super::{DatasetError, Image, ImageError, codec, labels};
use crate::{sniff, tree};

#[derive(Clone, Debug)]
pub struct Folder(Arc<Files>);

#[derive(Debug)]
struct Files {
    root: PathBuf,
    /// Relative to `root`, with `/`, sorted.
    names: Vec<OsString>,
    labels: Vec<Option<i64>>,
}

impl Folder {
    pub fn open(root: &Path, members: Members) -> Result<Self, DatasetError> {
        let failed = |path: &Path, source| DatasetError::Read { path: path.to_owned(), source };
        let files =
            tree::files(root).map_err(|source| DatasetError::Tree { path: root.to_owned(), source })?;
        let mut names = Vec::with_capacity(files.len());
        for name in files {
            let is_meant = match members {
                Members::Images => is_image(root, &name),
                Members::Arrays => Ok(Members::is_array(&name.to_string_lossy())),
            };
            if is_meant.map_err(|source| failed(&root.join(&name), source))? {
                names.push(name);
            }
        }
        let table = root.join(labels::FILE);
        let labels = match fs::read(&table) {
            Ok(json) => {
                let texts: Vec<_> = names.iter().map(|name| name.to_string_lossy()).collect();
                labels::parse(&json, &texts).map_err(|detail| DatasetError::damaged(root, detail))?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(failed(&table, error)),
        };
        Ok(Self(Arc::new(Files { root: root.to_owned(), names, labels })))
    }

    pub fn len(&self) -> u64 {
        self.0.names.len() as u64
    }

    pub fn name(&self, index: u64) -> String {
        self.0.names.get(index as usize).map(|name| tree::shown(name)).unwrap_or_default()
    }

    pub fn label(&self, index: u64) -> Option<i64> {
        self.0.labels.get(index as usize).copied().flatten()
    }

    pub fn read(&self, index: u64) -> Result<Image, ImageError> {
        codec::decode(&self.bytes(index)?)
    }

    /// The member as it is.
    pub fn bytes(&self, index: u64) -> Result<Vec<u8>, ImageError> {
        Ok(fs::read(self.0.root.join(&self.0.names[index as usize]))?)
    }

    /// Its first bytes, `num_bytes` at most.
    pub fn head(&self, index: u64, num_bytes: u64) -> Result<Vec<u8>, ImageError> {
        let mut head = Vec::new();
        let file = File::open(self.0.root.join(&self.0.names[index as usize]))?;
        file.take(num_bytes).read_to_end(&mut head)?;
        Ok(head)
    }
}

fn is_image(root: &Path, name: &OsStr) -> io::Result<bool> {
    match names::named(&name.to_string_lossy()) {
        Named::Image => Ok(true),
        Named::Other => Ok(false),
        Named::Unclear => {
            let mut head = Vec::new();
            File::open(root.join(name))?.take(sniff::HEAD_BYTES as u64).read_to_end(&mut head)?;
            Ok(names::begins_as_image(&head))
        }
    }
}
