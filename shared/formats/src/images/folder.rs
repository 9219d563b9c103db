//! Encoded images as files, in the order of their names from the folder down.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{DatasetError, Image, ImageError, codec, labels};

#[derive(Clone, Debug)]
pub struct Folder(Arc<Files>);

#[derive(Debug)]
struct Files {
    root: PathBuf,
    /// Relative to `root`, with `/`, sorted.
    names: Vec<String>,
    labels: Vec<i64>,
}

impl Folder {
    pub fn open(root: &Path) -> Result<Self, DatasetError> {
        let failed = |path: &Path, source| DatasetError::Read { path: path.to_owned(), source };
        let names = image_names(root).map_err(|source| failed(root, source))?;
        let table = root.join(labels::FILE);
        let labels = match fs::read(&table) {
            Ok(json) => labels::parse(&json, &names).map_err(|detail| DatasetError::damaged(root, detail))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(failed(&table, error)),
        };
        Ok(Self(Arc::new(Files { root: root.to_owned(), names, labels })))
    }

    pub fn len(&self) -> u64 {
        self.0.names.len() as u64
    }

    pub fn name(&self, index: u64) -> String {
        self.0.names.get(index as usize).cloned().unwrap_or_default()
    }

    pub fn label(&self, index: u64) -> Option<i64> {
        self.0.labels.get(index as usize).copied()
    }

    pub fn read(&self, index: u64) -> Result<Image, ImageError> {
        codec::decode(&fs::read(self.0.root.join(&self.0.names[index as usize]))?)
    }
}

/// Every image below `root`, whatever the depth; hidden files and folders are passed over.
fn image_names(root: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    let mut waiting = vec![String::new()];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(root.join(&folder))? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            if name.starts_with('.') {
                continue;
            }
            let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
            if entry.file_type()?.is_dir() {
                waiting.push(path);
            } else if codec::is_image(&path) {
                names.push(path);
            }
        }
    }
    names.sort();
    Ok(names)
}
