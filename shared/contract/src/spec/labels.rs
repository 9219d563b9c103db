//! Which class each image has.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::FileRef;
use crate::text::UnknownWord;

/// `random`, `balanced`, `class:N` or `file:PATH`; in a spec also `{ file = { path, sha256 } }`. In every mode the
/// class is drawn from the image's stream all the same, so nothing after it changes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Labels {
    /// Drawn from the image's own stream, after its noise.
    #[default]
    Random,
    /// `seed mod label_dim`: as many of each class as the seeds allow.
    Balanced,
    /// The same class for all.
    Class(u32),
    /// Line `seed mod lines` (from 0) of a text file with one class on each line.
    File(FileRef),
}

impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Random => f.write_str("random"),
            Self::Balanced => f.write_str("balanced"),
            Self::Class(class) => write!(f, "class:{class}"),
            Self::File(file) => write!(f, "file:{}", file.path),
        }
    }
}

impl FromStr for Labels {
    type Err = UnknownWord;
    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        let class = text.strip_prefix("class:").and_then(|class| class.parse().ok());
        let path = text.strip_prefix("file:").filter(|path| !path.is_empty());
        match (text, class, path) {
            ("random", ..) => Ok(Self::Random),
            ("balanced", ..) => Ok(Self::Balanced),
            (_, Some(class), _) => Ok(Self::Class(class)),
            (_, _, Some(path)) => Ok(Self::File(FileRef::new(path))),
            _ => Err(UnknownWord {
                what: "labels",
                word: text.to_owned(),
                known: &["random", "balanced", "class:N", "file:PATH"],
            }),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    file: FileRef,
}

impl Serialize for Labels {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::File(file) => Table { file: file.clone() }.serialize(serializer),
            other => serializer.collect_str(other),
        }
    }
}

struct LabelsVisitor;

impl<'de> de::Visitor<'de> for LabelsVisitor {
    type Value = Labels;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`random`, `balanced`, `class:N`, `file:PATH` or a table with `file`")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Labels, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Labels, A::Error> {
        let table = Table::deserialize(de::value::MapAccessDeserializer::new(map))?;
        Ok(Labels::File(table.file))
    }
}

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LabelsVisitor)
    }
}
