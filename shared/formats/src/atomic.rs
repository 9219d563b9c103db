//! Files that are there whole or not at all, and whether one can be written: asked before the work, not after it.
//!
//! A file that is being written lies beside its place under a name that begins with `.fidelis-`, locked; where nobody holds
//! the lock any more, its writer was killed.

use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use fidelis_contract::outcome::{Class, Outcome, is_full};

/// Before the name of a file that is being written.
const PREFIX: &str = ".fidelis-";

/// Writes beside `path`, then renames over it: a reader never sees half a file, and a failure leaves the old one.
///
/// # Errors
/// What the system said; a path that leads to a device or a pipe, which a rename would replace.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    check_target(path)?;
    let folder = folder_of(path);
    std::fs::create_dir_all(folder)?;
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644));
    let mut file = builder.prefix(PREFIX).tempfile_in(folder)?;
    // A file system without locks only lacks the sweeping.
    file.as_file().try_lock().ok();
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

/// Removes from `folder` what writers that were killed left there; files that somebody is writing stay.
///
/// # Errors
/// The folder cannot be listed, or such a file not be removed.
pub fn sweep(folder: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(PREFIX) && is_left(&entry.path()) {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Where there are no locks, nothing is.
fn is_left(path: &Path) -> bool {
    let is_file = std::fs::symlink_metadata(path).is_ok_and(|found| found.is_file());
    is_file && std::fs::File::open(path).is_ok_and(|file| file.try_lock().is_ok())
}

/// Writes as [`write()`] does; what cannot be written is kept in a folder for temporary files, since it took long to make.
///
/// # Errors
/// The place was not to be written; the error says where the bytes are instead.
pub fn write_or_keep(path: &Path, bytes: &[u8]) -> Result<(), NotWritten> {
    let name = path.file_name().unwrap_or("result".as_ref());
    write(path, bytes).map_err(|source| {
        let kept = keep(Path::new(name), bytes).map_or_else(
            |error| format!("nor could it be kept elsewhere: {error}"),
            |kept| format!("it is kept as `{}`: copy it from there", kept.display()),
        );
        NotWritten { path: path.to_owned(), source, kept }
    })
}

/// Writes a file into a folder of its own among the temporary ones, which stays; gives its path.
///
/// # Errors
/// What the system said.
pub fn keep(name: &Path, bytes: &[u8]) -> io::Result<PathBuf> {
    let folder = tempfile::Builder::new().prefix("fidelis-kept-").tempdir()?;
    std::fs::write(folder.path().join(name), bytes)?;
    Ok(folder.keep().join(name))
}

/// A result that could not be written where it was to go.
#[derive(Debug, thiserror::Error)]
#[error("cannot write `{}`: {source}; {kept}", path.display())]
pub struct NotWritten {
    /// As it was named.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
    /// Where the result is instead.
    pub kept: String,
}

/// A place that the command line names for a result, and that cannot have it.
#[derive(Debug, thiserror::Error)]
#[error("cannot write `{}`: {source}; {}", path.display(), advice(source))]
pub struct Unwritable {
    /// As it was named.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

fn advice(source: &io::Error) -> &'static str {
    if is_full(source) { "free space there, or name another place" } else { "name another place" }
}

/// Whether [`write()`] can put a file at `path`. Leaves nothing behind, and what is there as it is.
///
/// # Errors
/// It cannot.
pub fn check_file(path: &Path) -> Result<(), Unwritable> {
    let refused = |source| Unwritable { path: path.to_owned(), source };
    check_target(path).and_then(|()| try_in(folder_of(path))).map_err(refused)
}

/// Whether files can be put into the folder `path`, which need not be there yet. Leaves nothing behind.
///
/// # Errors
/// They cannot.
pub fn check_folder(path: &Path) -> Result<(), Unwritable> {
    try_in(path).map_err(|source| Unwritable { path: path.to_owned(), source })
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn check_target(path: &Path) -> io::Result<()> {
    let other = |text: &str| Err(io::Error::new(ErrorKind::InvalidInput, text));
    if path.file_name().is_none() {
        return other("it is no name of a file");
    }
    match std::fs::metadata(path) {
        Ok(there) if there.is_dir() => other("there is a folder of this name"),
        Ok(there) if !there.is_file() => other("it is no regular file"),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Writes a block into a file without a name, in the folder or in the nearest one above it that is there: rights, room
/// and file systems that take no files (`/proc`) show at once.
fn try_in(folder: &Path) -> io::Result<()> {
    // Of a name that ends in `/` or `.`, the parent is not the folder above.
    let folder = std::path::absolute(folder)?;
    let is_there = |folder: &&Path| folder.symlink_metadata().is_ok();
    let nearest = folder.ancestors().find(is_there).unwrap_or(Path::new("/"));
    if !nearest.is_dir() {
        return Err(io::Error::new(
            ErrorKind::NotADirectory,
            format!("`{}` is no folder", nearest.display()),
        ));
    }
    let mut file = tempfile::tempfile_in(nearest)?;
    file.write_all(&[0; 4096])?;
    file.sync_all()
}

/// Of the source: a disk without room is no fault of the path.
impl Outcome for NotWritten {
    fn class(&self) -> Class {
        self.source.class()
    }
}

impl Outcome for Unwritable {
    fn class(&self) -> Class {
        self.source.class()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn replaces_and_leaves_nothing_beside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/report.html");
        write(&path, b"first").unwrap();
        write(&path, b"second").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn what_a_killed_writer_left_is_swept_and_what_is_being_written_stays() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in [".fidelis-left", ".fidelis-written", ".other", "report.html"] {
            fs::write(at(name), b"bytes").unwrap();
        }
        fs::create_dir(at(".fidelis-folder")).unwrap();
        let writer = fs::File::open(at(".fidelis-written")).unwrap();
        writer.lock().unwrap();
        sweep(folder.path()).unwrap();
        assert!(!at(".fidelis-left").exists());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 4);
        drop(writer);
        sweep(folder.path()).unwrap();
        assert!(!at(".fidelis-written").exists());
    }

    #[test]
    fn a_failed_write_leaves_no_temporary_file() {
        let folder = tempfile::tempdir().unwrap();
        let taken = folder.path().join("taken");
        fs::create_dir(&taken).unwrap();
        assert!(write(&taken, b"bytes").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_cannot_be_written_is_known_before() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("taken")).unwrap();
        fs::write(at("file"), "old").unwrap();
        std::os::unix::fs::symlink(at("nowhere/x"), at("dangling")).unwrap();
        let words = |path: PathBuf| check_file(&path).unwrap_err().to_string();
        assert!(words(at("taken")).contains("there is a folder of this name; name another place"));
        assert!(words(at("file/r.npz")).contains("Not a directory"));
        assert!(words(at("dangling/r.npz")).contains("is no folder"));
        for path in ["/proc/r.npz", "/dev/null", "/", "..", ""] {
            let error = check_file(Path::new(path)).unwrap_err().to_string();
            assert!(error.starts_with(&format!("cannot write `{path}`: ")), "{error}");
        }
        assert!(check_folder(Path::new("/proc/out")).is_err() && check_folder(&at("file")).is_err());
        check_file(&at("file")).unwrap();
        check_file(&at("new/deep/r.npz")).unwrap();
        check_folder(&at("taken")).unwrap();
        check_folder(&at("new/")).unwrap();
        assert_eq!(fs::read(at("file")).unwrap(), b"old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3, "nothing was left behind");
    }

    #[test]
    fn what_cannot_be_written_after_all_is_kept() {
        let error = write_or_keep(Path::new("/proc/r.npz"), b"bytes").unwrap_err();
        let kept = error.kept.split('`').nth(1).unwrap();
        assert_eq!(fs::read(kept).unwrap(), b"bytes", "{error}");
        fs::remove_dir_all(Path::new(kept).parent().unwrap()).unwrap();
    }

    #[test]
    fn a_device_is_never_replaced_by_a_file() {
        assert!(write(Path::new("/dev/null"), b"bytes").is_err());
        use std::os::unix::fs::FileTypeExt;
        assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
    }
}
