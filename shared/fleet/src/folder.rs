//! The content of a folder as one digest.

use std::{io, os::unix::ffi::OsStrExt, path::Path};

use fidelis_formats::tree;

use fidelis_contract::ids::Digest;

/// The digest of a file, or of a folder: then of the lines `<sha256>  <path>` of every file below it, sorted by
/// path. Links are followed, hidden files and folders are left out: what [`tree::files`] lists, as readers of the folder
/// do.
///
/// # Errors
/// Something in it cannot be read, or has no end; the error names it.
pub fn digest(path: &Path) -> io::Result<Digest> {
    if !path.is_dir() {
        return Digest::of_file(path);
    }
    let mut lines = Vec::new();
    for name in tree::files(path)? {
        let digest = Digest::of_file(&path.join(&name)).map_err(|error| {
            io::Error::new(error.kind(), format!("`{}` below it: {error}", tree::shown(&name)))
        })?;
        lines.extend(format!("{digest}  ").as_bytes());
        lines.extend(name.as_bytes());
        lines.push(b'\n');
    }
    Ok(Digest::of(&lines))
}

#[cfg(test)]
mod tests {
    use std::{ffi::OsStr, fs, os::unix::fs::symlink};

    use super::*;

    #[test]
    fn a_folder_is_its_files_and_their_names() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("d");
        fs::create_dir_all(root.join("a")).unwrap();
        fs::write(root.join("a/1.png"), b"one").unwrap();
        fs::write(root.join("2.png"), b"two").unwrap();
        let lines = format!("{}  2.png\n{}  a/1.png\n", Digest::of(b"two"), Digest::of(b"one"));
        assert_eq!(digest(&root).unwrap(), Digest::of(lines.as_bytes()));
        let before = digest(&root).unwrap();
        fs::write(root.join(".hidden"), b"passed over").unwrap();
        assert_eq!(digest(&root).unwrap(), before);
        fs::rename(root.join("2.png"), root.join("3.png")).unwrap();
        assert_ne!(digest(&root).unwrap(), before);
        assert_eq!(digest(&root.join("a/1.png")).unwrap(), Digest::of(b"one"));
    }

    /// Run ids hold it: it stays as it was before links were followed everywhere.
    #[test]
    fn the_digest_of_a_plain_folder_is_pinned() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b/two.png", "a.jpg", "b-c.png", "dataset.json"] {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
        let pinned = "01dec88c6e989e8cc5281eb539244e5efa68561b61d7a996dca3938aa6ec39d6";
        assert_eq!(digest(folder.path()).unwrap().to_string(), pinned);
    }

    #[test]
    fn links_and_names_that_are_no_text_are_part_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir(root.join("d")).unwrap();
        fs::write(root.join("d").join(OsStr::from_bytes(b"caf\xe9.png")), b"one").unwrap();
        let before = digest(root).unwrap();
        assert_eq!(digest(root).unwrap(), before);
        symlink("d", root.join("more")).unwrap();
        assert_ne!(digest(root).unwrap(), before);
        symlink("..", root.join("d/up")).unwrap();
        let error = digest(root).unwrap_err().to_string();
        assert!(error.contains("`d/up` is a link to a folder that holds it"), "{error}");
    }
}
