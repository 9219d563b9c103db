//! The cache's folder: contents under their digest, and what is known of each address.
//!
//! ```text
//! sha256/<hex>            a content; appears whole, by renaming
//! named/<hex>/<name>      a link to it that keeps the file's name, which says what kind of file it is
//! urls/<hex>.json         of an address: the digest that it led to, and the server's mark of that version
//! urls/<hex>.lock         held by the one process that is fetching it
//! urls/<hex>.part         what came so far; .part.json: of which version
//! ```

use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::FileError;
use fidelis_contract::ids::Digest;
use fidelis_formats::atomic;

/// The folder.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
}

/// What an address led to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// As it may be shown; for people who look into the folder.
    pub url: String,
    /// The server's mark of this version: an entity tag, or a date.
    pub mark: Option<String>,
    /// Its length.
    pub num_bytes: u64,
    /// Its content.
    pub sha256: Digest,
}

/// What a part is a part of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartOf {
    /// The server's mark of the version.
    pub mark: Option<String>,
    /// The length of the whole.
    pub num_bytes: Option<u64>,
}

impl Cache {
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// Where a content lies, if it is there.
    pub fn content(&self, digest: &Digest) -> PathBuf {
        self.root.join("sha256").join(digest.to_string())
    }

    /// A content under a file's name.
    pub fn named(&self, digest: &Digest, name: &str) -> Result<PathBuf, FileError> {
        let folder = self.root.join("named").join(digest.to_string());
        let path = folder.join(name);
        let link = || {
            fs::create_dir_all(&folder)?;
            // Moved with the rest of the cache, a relative link still holds.
            std::os::unix::fs::symlink(format!("../../sha256/{digest}"), &path)
        };
        match link() {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(failed(&path)(error)),
            _ => Ok(path),
        }
    }

    /// What belongs to an address.
    pub fn slot(&self, address: &str) -> Result<Slot, FileError> {
        let folder = self.root.join("urls");
        for folder in [&folder, &self.root.join("sha256")] {
            fs::create_dir_all(folder).map_err(failed(folder))?;
        }
        let stem = folder.join(Digest::of(address.as_bytes()).to_string());
        Ok(Slot { stem: stem.display().to_string(), cache: self.clone() })
    }
}

/// The files of one address.
#[derive(Debug)]
pub struct Slot {
    stem: String,
    cache: Cache,
}

impl Slot {
    fn path(&self, extension: &str) -> PathBuf {
        PathBuf::from(format!("{}.{extension}", self.stem))
    }

    /// Where a download goes until it is whole.
    pub fn part(&self) -> PathBuf {
        self.path("part")
    }

    /// The file whose lock says who fetches.
    pub fn lock_file(&self) -> Result<File, FileError> {
        let path = self.path("lock");
        let opened = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        opened.map_err(failed(&path))
    }

    /// What the address led to last, if that content is still here.
    pub fn entry(&self) -> Option<Entry> {
        let entry: Entry = read_json(&self.path("json"))?;
        let meta = fs::metadata(self.cache.content(&entry.sha256)).ok()?;
        (meta.len() == entry.num_bytes).then_some(entry)
    }

    /// Bytes that an earlier download left, and what they belong to.
    pub fn left_over(&self) -> (u64, PartOf) {
        let num_bytes = fs::metadata(self.part()).map_or(0, |meta| meta.len());
        (num_bytes, read_json(&self.path("part.json")).unwrap_or_default())
    }

    /// Begins a part of another version: empty.
    pub fn begin(&self, of: &PartOf) -> Result<(), FileError> {
        let part = self.part();
        // Emptied first: bytes never stand beside another version's mark.
        File::create(&part).map_err(failed(&part))?;
        write_json(&self.path("part.json"), of)
    }

    /// Forgets the part.
    pub fn discard(&self) -> Result<(), FileError> {
        for path in [self.part(), self.path("part.json")] {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(&path)(error)),
                _ => {}
            }
        }
        Ok(())
    }

    /// The part is whole: from now on it is a content, and the address leads to it.
    pub fn keep(&self, entry: &Entry) -> Result<(), FileError> {
        let (part, content) = (self.part(), self.cache.content(&entry.sha256));
        let settle = || {
            File::open(&part)?.sync_all()?;
            fs::rename(&part, &content)
        };
        settle().map_err(failed(&content))?;
        fs::remove_file(self.path("part.json")).ok();
        write_json(&self.path("json"), entry)
    }
}

/// A closure that says of an error where in the cache it happened.
pub(super) fn failed(path: &Path) -> impl Fn(io::Error) -> FileError {
    move |source| FileError::Cache { path: path.to_owned(), source }
}

/// A damaged note is as good as none.
fn read_json<T: DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), FileError> {
    let bytes = serde_json::to_vec(value).map_err(|error| failed(path)(error.into()))?;
    atomic::write(path, &bytes).map_err(failed(path))
}
