//! The files below a folder: the one list that reading a folder and digesting it agree on.

use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Linux's number for a link that leads to itself; std's name for it is not stable.
const ELOOP: i32 = 40;

/// Why the files below a folder cannot be listed. Paths are relative to that folder, as [`shown`].
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// The system said no.
    #[error("`{path}` cannot be read: {source}")]
    Read {
        /// Which.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// Following it would never end.
    #[error("`{path}` is a link to a folder that holds it, which has no end: remove the link")]
    Cycle {
        /// The link.
        path: String,
    },
    /// A link to nothing.
    #[error("`{path}` is a link that leads nowhere: remove it, or bring back what it leads to")]
    Dangling {
        /// The link.
        path: String,
    },
    /// A pipe, a socket, a device.
    #[error("`{path}` is neither a file nor a folder: move it away")]
    Special {
        /// Which.
        path: String,
    },
}

impl From<TreeError> for io::Error {
    fn from(error: TreeError) -> Self {
        let kind = match &error {
            TreeError::Read { source, .. } => source.kind(),
            _ => io::ErrorKind::InvalidData,
        };
        Self::new(kind, error)
    }
}

/// Every file below `root`, as paths relative to it, with `/`, in the order of their bytes. Links are followed; hidden
/// files and folders, whose names begin with a dot, are passed over.
///
/// # Errors
/// See [`TreeError`].
pub fn files(root: &Path) -> Result<Vec<OsString>, TreeError> {
    let mut walk = Walk { root, above: Vec::new(), files: Vec::new() };
    let found = metadata(root, OsStr::new("."))?;
    walk.folder(OsStr::new(""), &found)?;
    walk.files.sort_unstable();
    Ok(walk.files)
}

struct Walk<'a> {
    root: &'a Path,
    /// Device and inode of the folders that hold the one being read.
    above: Vec<(u64, u64)>,
    files: Vec<OsString>,
}

impl Walk<'_> {
    fn folder(&mut self, relative: &OsStr, found: &Metadata) -> Result<(), TreeError> {
        let id = (found.dev(), found.ino());
        if self.above.contains(&id) {
            return Err(TreeError::Cycle { path: shown(relative) });
        }
        self.above.push(id);
        let failed = |source| TreeError::Read { path: shown(relative), source };
        let entries = fs::read_dir(self.root.join(relative)).and_then(|entries| entries.collect());
        let mut entries: Vec<fs::DirEntry> = entries.map_err(failed)?;
        // What is named in an error is the same each time.
        entries.sort_unstable_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let name = entry.file_name();
            if name.as_bytes().starts_with(b".") {
                continue;
            }
            let path = joined(relative, &name);
            let kind = entry.file_type().map_err(failed)?;
            if kind.is_file() {
                self.files.push(path);
                continue;
            }
            // Of a link, what it leads to.
            let found = metadata(&self.root.join(&path), &path)?;
            if found.is_dir() {
                if kind.is_symlink() {
                    self.check_link(relative, &path)?;
                }
                self.folder(&path, &found)?;
            } else if found.is_file() {
                self.files.push(path);
            } else {
                return Err(TreeError::Special { path: shown(&path) });
            }
        }
        self.above.pop();
        Ok(())
    }

    /// A link to a folder that holds the link leads back to it, however far above it is.
    fn check_link(&self, folder: &OsStr, link: &OsStr) -> Result<(), TreeError> {
        let real = |relative: &OsStr| {
            let read = |source| TreeError::Read { path: shown(relative), source };
            fs::canonicalize(self.root.join(relative)).map_err(read)
        };
        if real(folder)?.starts_with(real(link)?) {
            Err(TreeError::Cycle { path: shown(link) })
        } else {
            Ok(())
        }
    }
}

fn metadata(path: &Path, relative: &OsStr) -> Result<Metadata, TreeError> {
    fs::metadata(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound if path.is_symlink() => TreeError::Dangling { path: shown(relative) },
        _ if source.raw_os_error() == Some(ELOOP) => TreeError::Cycle { path: shown(relative) },
        _ => TreeError::Read { path: shown(relative), source },
    })
}

fn joined(folder: &OsStr, name: &OsStr) -> OsString {
    if folder.is_empty() {
        return name.to_owned();
    }
    OsString::from_vec([folder.as_bytes(), b"/", name.as_bytes()].concat())
}

/// A path fit to be printed: what is no UTF-8 as `\xE9`, control characters escaped.
pub fn shown(path: &OsStr) -> String {
    let mut text = String::new();
    for chunk in path.as_bytes().utf8_chunks() {
        for c in chunk.valid().chars() {
            if c.is_control() { text.extend(c.escape_default()) } else { text.push(c) }
        }
        chunk.invalid().iter().for_each(|byte| text += &format!("\\x{byte:02X}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn names(root: &Path) -> Vec<String> {
        files(root).unwrap().iter().map(|name| shown(name)).collect()
    }

    #[test]
    fn links_are_followed_and_names_need_not_be_text() {
        let folder = tempfile::tempdir().unwrap();
        let (root, other) = (folder.path().join("d"), folder.path().join("other"));
        for path in [root.join("a"), root.join("a-b"), other.join("deep")] {
            fs::create_dir_all(path).unwrap();
        }
        for path in [root.join("a/1"), root.join("a-b/1"), other.join("deep/2"), root.join(".hidden")] {
            fs::write(path, b"").unwrap();
        }
        fs::write(root.join(OsStr::from_bytes(b"caf\xe9")), b"").unwrap();
        symlink("../other", root.join("more")).unwrap();
        symlink("a/1", root.join("link")).unwrap();
        // Twice the same folder is no cycle.
        symlink("../other/deep", root.join("z")).unwrap();
        assert_eq!(names(&root), ["a-b/1", "a/1", "caf\\xE9", "link", "more/deep/2", "z/2"]);
    }

    #[test]
    fn what_has_no_end_or_leads_nowhere_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir(root.join("a")).unwrap();
        let refused = |target: &str, name: &str| {
            let link = root.join("a").join(name);
            symlink(target, &link).unwrap();
            let error = files(root).unwrap_err().to_string();
            fs::remove_file(link).unwrap();
            error
        };
        assert!(refused("..", "up\n").starts_with("`a/up\\n` is a link to a folder that holds it"));
        assert!(refused("self", "self").starts_with("`a/self` is a link to a folder that holds it"));
        assert!(refused("gone.png", "x.png").starts_with("`a/x.png` is a link that leads nowhere"));
        assert!(refused("/dev/null", "null").starts_with("`a/null` is neither a file nor a folder"));
        assert!(names(root).is_empty());
    }
}
