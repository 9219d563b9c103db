//! A file a spec names, and the digest that says which bytes are meant.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::{address, ids::Digest};

/// A file; in a spec either its path as a string or `{ path, sha256 }`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileRef {
    /// Where it lies: a path, relative to the spec file, or a URL (`s3:`, `https:`, `file:`). Empty in canonical form.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// Its content; checked when given, else filled in when the spec is resolved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Digest>,
}

impl FileRef {
    /// A file by its path alone.
    pub fn new(path: impl Into<String>) -> Self {
        Self { path: path.into(), sha256: None }
    }

    /// The path as it may be shown: an address without its query.
    pub fn shown(&self) -> String {
        address::shown(&self.path)
    }

    /// What the file is called, without the way to it: the last part of its path or address.
    pub fn name(&self) -> &str {
        let path =
            if self.is_url() { self.path.split(['?', '#']).next().unwrap_or_default() } else { &self.path };
        path.trim_end_matches('/').rsplit('/').next().unwrap_or_default()
    }

    /// True for `s3://…`, `https://…` and the like; `file:…` and plain paths are not.
    pub fn is_url(&self) -> bool {
        self.path.contains("://") && !self.path.starts_with("file:")
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    path: String,
    #[serde(default)]
    sha256: Option<Digest>,
}

struct FileRefVisitor;

impl<'de> de::Visitor<'de> for FileRefVisitor {
    type Value = FileRef;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a path or a table with `path` and `sha256`")
    }

    fn visit_str<E: de::Error>(self, path: &str) -> Result<FileRef, E> {
        Ok(FileRef::new(path))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<FileRef, A::Error> {
        let table = Table::deserialize(de::value::MapAccessDeserializer::new(map))?;
        Ok(FileRef { path: table.path, sha256: table.sha256 })
    }
}

impl<'de> Deserialize<'de> for FileRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FileRefVisitor)
    }
}
