//! Encoded images as files, in the order of their names from the folder down.

use std::{
    ffi::{OsStr, OsString},
    io,
    path::Path,
    sync::Arc,
};

use super::archive::Members;
use super::names::{self, Named};
use super::{Below, DatasetError, Image, ImageError, codec, labels};
use crate::{sniff, tree};

#[derive(Clone, Debug)]
pub struct Folder(Arc<Files>);

#[derive(Debug)]
struct Files {
    below: Arc<dyn Below>,
    names: Vec<OsString>,
    labels: Vec<Option<i64>>,
}

impl Folder {
    /// A folder that lies anywhere, and is called `root`.
    pub fn of(root: &Path, below: &Arc<dyn Below>, members: Members) -> Result<Self, DatasetError> {
        let failed = |name: &OsStr, source| DatasetError::Read { path: root.join(name), source };
        let files = below.files().map_err(|source| DatasetError::Tree { path: root.to_owned(), source })?;
        let mut names = Vec::with_capacity(files.len());
        for name in files {
            let is_meant = match members {
                Members::Images => is_image(&**below, &name),
                Members::Arrays => Ok(Members::is_array(&name.to_string_lossy())),
            };
            if is_meant.map_err(|source| failed(&name, source))? {
                names.push(name);
            }
        }
        let labels = match below.read(labels::FILE.as_ref()) {
            Ok(json) => {
                let texts: Vec<_> = names.iter().map(|name| name.to_string_lossy()).collect();
                labels::parse(&json, &texts).map_err(|detail| DatasetError::damaged(root, detail))?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(failed(labels::FILE.as_ref(), error)),
        };
        Ok(Self(Arc::new(Files { below: below.clone(), names, labels })))
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
        Ok(self.0.below.read(&self.0.names[index as usize])?)
    }

    /// Its first bytes, `num_bytes` at most.
    pub fn head(&self, index: u64, num_bytes: u64) -> Result<Vec<u8>, ImageError> {
        Ok(self.0.below.head(&self.0.names[index as usize], num_bytes)?)
    }
}

fn is_image(below: &dyn Below, name: &OsStr) -> io::Result<bool> {
    match names::named(&name.to_string_lossy()) {
        Named::Image => Ok(true),
        Named::Other => Ok(false),
        Named::Unclear => Ok(names::begins_as_image(&below.head(name, sniff::HEAD_BYTES as u64)?)),
    }
}
