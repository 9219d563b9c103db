//! The receipt of one chunk: written after its objects, it is what makes the chunk exist.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::{ChunkIndex, Digest, RunId};
use crate::kind::Kind;
use crate::maker::Maker;
use crate::outcome::{Class, Outcome};
use crate::payload::Dtype;
use crate::seeds::Seeds;
use crate::text::line;

/// The version that this build writes and reads.
pub const VERSION: u32 = 1;

/// The arithmetic of receipts that name none.
pub const FIRST_ARITHMETIC: u32 = 1;

pub fn first_arithmetic() -> u32 {
    FIRST_ARITHMETIC
}

fn is_first(arithmetic: &u32) -> bool {
    *arithmetic == FIRST_ARITHMETIC
}

/// What a worker stored for a chunk, and how it was made. JSON, under `keys::receipt`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    pub version: u32,
    /// Which arithmetic the bits are of: that of the engine's in the build that made them.
    #[serde(default = "first_arithmetic", skip_serializing_if = "is_first")]
    pub arithmetic: u32,
    pub run: RunId,
    pub chunk: ChunkIndex,
    /// Of the spec that the chunk was made from.
    pub spec_digest: Digest,
    /// In the order of the objects' rows.
    pub seeds: Seeds,
    /// Images that could not be read, where the spec allows it: the objects have no rows of them. In the seeds' order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<Unreadable>,
    /// One object per kind of the spec.
    pub objects: BTreeMap<Kind, StoredObject>,
    /// What a training left, by name below `keys::training_prefix`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, StoredFile>,
    /// Of the initial noise: tells a different generator from a different net.
    pub noise_sha256: Digest,
    /// As the command line names it: `cpu`, `cuda:0`.
    pub device: String,
    /// What that is, and what ran on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maker: Option<Maker>,
    pub worker: String,
    pub micro_batch: u32,
    /// Wall time from the claim until all was made. It is stored while the next one is made.
    pub seconds: f64,
    /// Which delivery of the chunk this was, from 1.
    pub attempt: u64,
}

/// An image that exists and cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unreadable {
    /// Its place in the dataset.
    pub seed: u64,
    /// What its file is called.
    pub name: String,
    /// One line.
    pub cause: String,
}

/// A file of a training.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredFile {
    pub sha256: Digest,
    pub num_bytes: u64,
}

/// One object of a receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredObject {
    /// Of the whole object.
    pub sha256: Digest,
    pub num_bytes: u64,
    /// Of the data tensor.
    pub dtype: Dtype,
    /// Of the data tensor; the first dimension is [`Receipt::num_rows`].
    pub shape: Vec<usize>,
}

impl Receipt {
    /// How many rows each object has.
    pub fn num_rows(&self) -> u64 {
        self.seeds.len() - self.unreadable.len() as u64
    }

    /// The bytes to store: one line of JSON, fields in a fixed order.
    ///
    /// # Errors
    /// [`ReceiptError::Seconds`] when `seconds` is no number, which JSON cannot hold.
    pub fn to_json(&self) -> Result<Vec<u8>, ReceiptError> {
        if !self.seconds.is_finite() {
            return Err(ReceiptError::Seconds { chunk: self.chunk });
        }
        let mut bytes = serde_json::to_vec(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Reads what [`Receipt::to_json`] wrote.
    ///
    /// # Errors
    /// When the bytes are no receipt, or one of a version that this build does not know.
    pub fn from_json(bytes: &[u8]) -> Result<Self, ReceiptError> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let Versioned { version } = serde_json::from_slice(bytes)?;
        if version != VERSION {
            return Err(ReceiptError::Version { version });
        }
        Ok(serde_json::from_slice(bytes)?)
    }
}

/// Why bytes are no receipt.
#[derive(Debug, thiserror::Error)]
pub enum ReceiptError {
    #[error("not a receipt: {}; the object is damaged or was written by something else", line(.0))]
    Format(#[from] serde_json::Error),
    #[error(
        "receipt of version `{version}` where this build reads `{VERSION}`: use the build that made the run"
    )]
    Version { version: u32 },
    #[error("the time taken for chunk `{chunk}` is no finite number")]
    Seconds { chunk: ChunkIndex },
}

impl Outcome for ReceiptError {
    fn class(&self) -> Class {
        Class::Integrity
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn sample() -> Receipt {
        let object =
            StoredObject { sha256: Digest([1; 32]), num_bytes: 1200, dtype: Dtype::F32, shape: vec![2, 128] };
        Receipt {
            version: VERSION,
            arithmetic: FIRST_ARITHMETIC,
            run: "demo-0123456789abcdef".parse().unwrap(),
            chunk: 3,
            spec_digest: Digest([2; 32]),
            seeds: "6-7".parse().unwrap(),
            unreadable: Vec::new(),
            files: BTreeMap::new(),
            objects: [("features-fashion-cnn".parse().unwrap(), object)].into(),
            noise_sha256: Digest([3; 32]),
            device: "cpu".into(),
            maker: None,
            worker: "w1".into(),
            micro_batch: 64,
            seconds: 1.5,
            attempt: 1,
        }
    }

    #[test]
    fn the_stored_form_is_pinned() {
        let (one, two, three) = ("01".repeat(32), "02".repeat(32), "03".repeat(32));
        let expected = format!(
            concat!(
                r#"{{"version":1,"run":"demo-0123456789abcdef","chunk":3,"spec_digest":"{two}","seeds":"6-7","#,
                r#""objects":{{"features-fashion-cnn":{{"sha256":"{one}","num_bytes":1200,"dtype":"f32","#,
                r#""shape":[2,128]}}}},"noise_sha256":"{three}","device":"cpu","worker":"w1","micro_batch":64,"#,
                r#""seconds":1.5,"attempt":1}}"#,
                "\n"
            ),
            one = one,
            two = two,
            three = three
        );
        let bytes = sample().to_json().unwrap();
        assert_eq!(String::from_utf8(bytes.clone()).unwrap(), expected);
        assert_eq!(Receipt::from_json(&bytes).unwrap(), sample());
    }

    /// Receipts of earlier builds stay as they are; what is new stands beside.
    #[test]
    fn arithmetic_and_maker_are_said_where_there_is_something_to_say() {
        let maker = Maker { host: Some("h".into()), cpu: Some("EPYC".into()), ..Maker::default() };
        let receipt = Receipt { arithmetic: 2, maker: Some(maker), ..sample() };
        let bytes = receipt.to_json().unwrap();
        assert_eq!(Receipt::from_json(&bytes).unwrap(), receipt);
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.starts_with(r#"{"version":1,"arithmetic":2,"run":"#), "{text}");
        assert!(text.contains(r#""device":"cpu","maker":{"host":"h","cpu":"EPYC"},"worker":"#), "{text}");
    }

    #[test]
    fn unreadable_images_are_named() {
        let unreadable =
            Unreadable { seed: 6, name: "a/b.png".into(), cause: "is no whole image: it is empty".into() };
        let receipt = Receipt { unreadable: vec![unreadable], ..sample() };
        let bytes = receipt.to_json().unwrap();
        assert_eq!(Receipt::from_json(&bytes).unwrap(), receipt);
        assert_eq!((receipt.num_rows(), sample().num_rows()), (1, 2));
        let text = String::from_utf8(bytes).unwrap();
        assert!(
            text.contains(r#""seeds":"6-7","unreadable":[{"seed":6,"name":"a/b.png","cause":"is no"#),
            "{text}"
        );
    }

    #[test]
    fn other_versions_and_damage_are_refused() {
        let text = String::from_utf8(sample().to_json().unwrap()).unwrap();
        let newer = text.replacen("\"version\":1", "\"version\":2,\"more\":true", 1);
        assert!(matches!(Receipt::from_json(newer.as_bytes()), Err(ReceiptError::Version { version: 2 })));
        let extra = text.replacen("\"chunk\":3", "\"chunk\":3,\"chunks\":4", 1);
        assert!(matches!(Receipt::from_json(extra.as_bytes()), Err(ReceiptError::Format(_))));
        assert!(matches!(Receipt::from_json(&text.as_bytes()[..100]), Err(ReceiptError::Format(_))));
        let broken = text.replacen("\"chunk\"", r#""a\n\u001bb""#, 1);
        let line = Receipt::from_json(broken.as_bytes()).unwrap_err().to_string();
        assert!(line.contains("unknown field `a \\u{1b}b`"), "{line}");
        let endless = Receipt { seconds: f64::NAN, ..sample() };
        assert!(matches!(endless.to_json(), Err(ReceiptError::Seconds { chunk: 3 })));
    }
}
