//! Folders of older versions, whose notes lay as dot-files among the buckets, with names that hold the key in base64.

use std::fs;
use std::io;
use std::path::Path;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use super::folder::Folder;

/// Moves the notes to where they are looked for now, and removes what is not needed any more.
pub(super) fn tidy(root: &Path, folder: &Folder) -> io::Result<()> {
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if name == ".fidelis.lock" || name.starts_with(".tmp.") && name.ends_with(".internal.part") {
            fs::remove_file(entry.path())?;
        }
        let Some((bucket, key, what)) = object_of(&name) else { continue };
        match folder.place(&bucket, &key).filter(|place| what == "metadata.json" && place.is_taken()) {
            Some(place) => place.adopt_note(&entry.path())?,
            None => fs::remove_file(entry.path())?,
        }
    }
    Ok(())
}

/// `.bucket-B.object-K.metadata.json` or `.bucket-B.object-K.internal.json`: bucket, key, and the rest.
fn object_of(name: &str) -> Option<(String, String, &str)> {
    let (bucket, rest) = name.strip_prefix(".bucket-")?.split_once(".object-")?;
    let (key, what) = rest.split_once('.')?;
    let text = |code: &str| String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(code).ok()?).ok();
    let is_known = ["metadata.json", "internal.json"].contains(&what);
    is_known.then_some((text(bucket)?, text(key)?, what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_move_and_nothing_else_is_left() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::open(root.path()).unwrap();
        fs::create_dir_all(root.path().join("desk/runs")).unwrap();
        fs::write(root.path().join("desk/runs/x"), "one").unwrap();
        let name = |key: &str, what: &str| {
            let code = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
            root.path().join(format!(".bucket-{}.object-{}.{what}.json", code("desk"), code(key)))
        };
        let note = r#"{"user_metadata":{"sha256":"abc"},"content_type":"text/plain"}"#;
        for (path, text) in [
            (name("runs/x", "metadata"), note),
            (name("runs/x", "internal"), "{}"),
            (name("runs/gone", "metadata"), note),
            (root.path().join(".tmp.7.internal.part"), ""),
            (root.path().join(".fidelis.lock"), ""),
        ] {
            fs::write(path, text).unwrap();
        }
        fs::write(root.path().join(".theirs"), "kept").unwrap();
        tidy(root.path(), &folder).unwrap();
        let mut names: Vec<_> =
            fs::read_dir(root.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort_unstable();
        assert_eq!(names, [".fidelis", ".theirs", "desk"]);
        let (_, found) = folder.place("desk", "runs/x").unwrap().open().unwrap().unwrap();
        assert_eq!(found.note.user_metadata.unwrap()["sha256"], "abc");
        assert_eq!(found.note.content_type.as_deref(), Some("text/plain"));
    }
}
