//! Listings of the embedded S3 server. A page costs the names of its folder and a look at its own objects, so that
//! the listing of a long run does not take minutes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Query {
    pub(super) prefix: String,
    /// Only what comes behind it.
    pub(super) after: String,
    /// What lies deeper than the prefix is told as folders.
    pub(super) by_folder: bool,
    pub(super) max_keys: usize,
}

/// One line of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry {
    Object {
        key: String,
        num_bytes: u64,
        modified: SystemTime,
    },
    /// Ends in `/`; there is an object in it.
    Folder(String),
}

impl Entry {
    pub(super) fn key(&self) -> &str {
        match self {
            Self::Object { key, .. } | Self::Folder(key) => key,
        }
    }
}

/// A page of a listing, in S3's order: that of the keys' bytes.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) entries: Vec<Entry>,
    pub(super) is_truncated: bool,
}

/// Lists a bucket's folder. What comes or goes meanwhile is listed or not.
///
/// # Errors
/// What the file system said to reading it.
pub(super) fn page(bucket: &Path, query: &Query) -> io::Result<Page> {
    let mut page = Page::default();
    walk(bucket, "", query, &mut page)?;
    page.is_truncated = page.entries.len() > query.max_keys;
    page.entries.truncate(query.max_keys);
    Ok(page)
}

fn walk(folder: &Path, base: &str, query: &Query, page: &mut Page) -> io::Result<()> {
    for (key, path) in sorted(folder, base)? {
        if page.entries.len() > query.max_keys {
            return Ok(());
        }
        let is_behind = key > query.after;
        if !key.ends_with('/') {
            if is_behind && key.starts_with(&query.prefix) {
                page.entries.extend(object(key, &path)?);
            }
        } else if !(is_behind || query.after.starts_with(&key)) {
            // All of it comes before.
        } else if query.by_folder && key.len() > query.prefix.len() && key.starts_with(&query.prefix) {
            if is_behind && holds_any(&path)? {
                page.entries.push(Entry::Folder(key));
            }
        } else if key.starts_with(&query.prefix) || query.prefix.starts_with(&key) {
            walk(&path, &key, query, page)?;
        }
    }
    Ok(())
}

/// What lies in a folder, by key; those of folders end in `/`, which decides their place.
fn sorted(folder: &Path, base: &str) -> io::Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    let entries = match fs::read_dir(folder) {
        // Gone since its own folder was read.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        // No key has such a name.
        let Ok(name) = entry.file_name().into_string() else { continue };
        let slash = if entry.file_type()?.is_dir() { "/" } else { "" };
        found.push((format!("{base}{name}{slash}"), entry.path()));
    }
    found.sort_unstable();
    Ok(found)
}

fn object(key: String, path: &Path) -> io::Result<Option<Entry>> {
    match fs::metadata(path) {
        Ok(found) => Ok(Some(Entry::Object { key, num_bytes: found.len(), modified: found.modified()? })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether there is an object below a folder: deleting leaves empty ones.
fn holds_any(folder: &Path) -> io::Result<bool> {
    for (key, path) in sorted(folder, "")? {
        if !key.ends_with('/') || holds_any(&path)? {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const KEYS: [&str; 11] = [
        "a",
        "a-b",
        "a.b",
        "a/b",
        "a/b/c",
        "a/b-c/d",
        "a0",
        "runs/x-1/chunks/000000.json",
        "runs/x-1/chunks/features/000000.safetensors",
        "runs/x-10/spec.json",
        "runs/y/spec.json",
    ];

    /// A folder with all keys that are no other key's folder.
    fn bucket() -> (tempfile::TempDir, Vec<&'static str>) {
        let folder = tempfile::tempdir().unwrap();
        let mut keys: Vec<&str> = KEYS.into_iter().filter(|key| !["a", "a/b"].contains(key)).collect();
        keys.sort_unstable();
        for key in &keys {
            let path = folder.path().join(key);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, key).unwrap();
        }
        fs::create_dir_all(folder.path().join("runs/empty/deep")).unwrap();
        (folder, keys)
    }

    /// What S3's manual says, taken literally.
    fn expected(keys: &[&str], query: &Query) -> Vec<String> {
        let told = keys.iter().filter(|key| key.starts_with(&query.prefix)).map(|key| {
            let rest = &key[query.prefix.len()..];
            match rest.find('/').filter(|_| query.by_folder) {
                Some(end) => key[..=query.prefix.len() + end].to_owned(),
                None => (*key).to_owned(),
            }
        });
        told.filter(|key| *key > query.after).collect::<BTreeSet<_>>().into_iter().collect()
    }

    #[test]
    fn pages_are_what_s3_would_give() {
        let (folder, keys) = bucket();
        let prefixes =
            ["", "a", "a/", "a/b", "runs/", "runs/x-1", "runs/x-1/", "runs/x-1/chunks/0", "none", "../"];
        for prefix in prefixes {
            for by_folder in [false, true] {
                for max_keys in 1..=KEYS.len() {
                    let mut query = Query { prefix: prefix.into(), by_folder, max_keys, ..Query::default() };
                    let (all, mut found) = (expected(&keys, &query), Vec::new());
                    loop {
                        let page = page(folder.path(), &query).unwrap();
                        found.extend(page.entries.iter().map(|entry| entry.key().to_owned()));
                        if !page.is_truncated {
                            break;
                        }
                        query.after = found.last().unwrap().clone();
                    }
                    assert_eq!(found, all, "{query:?}");
                }
            }
        }
    }

    #[test]
    fn objects_have_their_lengths() {
        let (folder, _) = bucket();
        let query = Query { prefix: "runs/y".into(), max_keys: 9, ..Query::default() };
        let page = page(folder.path(), &query).unwrap();
        assert!(matches!(&page.entries[..], [Entry::Object { num_bytes: 16, .. }]), "{page:?}");
    }
}
