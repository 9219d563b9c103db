//! The content of a folder as one digest.

use std::{fs, io, path::Path};

use fidelis_contract::ids::Digest;

/// The digest of a file, or of a folder: then of the lines `<sha256>  <path>` of every file below it, sorted by
/// path. Hidden files and folders are left out.
///
/// # Errors
/// Something in it cannot be read, or has a name that is not UTF-8.
pub fn digest(path: &Path) -> io::Result<Digest> {
    if !path.is_dir() {
        return Digest::of_file(path);
    }
    let mut lines = String::new();
    for name in files(path)? {
        lines += &format!("{}  {name}\n", Digest::of_file(&path.join(&name))?);
    }
    Ok(Digest::of(lines.as_bytes()))
}

/// Paths relative to `root`, with `/`, sorted.
fn files(root: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    let mut waiting = vec![String::new()];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(root.join(&folder))? {
            let entry = entry?;
            let name = entry.file_name().into_string().map_err(|name| {
                io::Error::new(io::ErrorKind::InvalidData, format!("{name:?} below it is not UTF-8"))
            })?;
            if name.starts_with('.') {
                continue;
            }
            let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
            if root.join(&path).is_dir() {
                waiting.push(path);
            } else {
                names.push(path);
            }
        }
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
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
}
