//! The one message on the queue: a version byte, then bincode. Nothing else in the house knows the encoding.

use bincode::{Decode, Encode, config};

use crate::ids::{ChunkIndex, Digest, IdError, RunId};
use crate::text::line;

/// The version this build writes and reads.
pub const VERSION: u8 = 1;

/// Longest message accepted, in bytes, the version byte included.
pub const MAX_NUM_BYTES: usize = 1024;

/// A chunk to be made. The spec itself is read from the store and checked against the digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkTask {
    /// The run.
    pub run: RunId,
    /// Which of its chunks.
    pub chunk: ChunkIndex,
    /// The digest of the run's canonical spec.
    pub spec_digest: Digest,
}

#[derive(Encode, Decode)]
struct V1 {
    run: String,
    chunk: u32,
    spec_digest: [u8; 32],
}

fn settings() -> impl config::Config {
    config::standard().with_limit::<MAX_NUM_BYTES>()
}

impl ChunkTask {
    /// The message's bytes, about 60.
    pub fn encode(&self) -> Vec<u8> {
        let body = V1 { run: self.run.to_string(), chunk: self.chunk, spec_digest: self.spec_digest.0 };
        let mut bytes = vec![VERSION];
        // The limit guards reading; a run id is at most 65 bytes, so the body is far below it.
        bytes.extend(bincode::encode_to_vec(body, config::standard()).unwrap_or_default());
        bytes
    }

    /// Reads a message from the queue; never panics, whatever the bytes.
    ///
    /// # Errors
    /// Every [`WireError`]; none is worth a retry.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        if bytes.len() > MAX_NUM_BYTES {
            return Err(WireError::Oversize { num_bytes: bytes.len() });
        }
        let (&version, body) = bytes.split_first().ok_or(WireError::Empty)?;
        if version != VERSION {
            return Err(WireError::Version { version });
        }
        let (v1, used): (V1, usize) = bincode::decode_from_slice(body, settings())?;
        if used != body.len() {
            return Err(WireError::Trailing { num_bytes: body.len() - used });
        }
        Ok(Self { run: v1.run.parse()?, chunk: v1.chunk, spec_digest: Digest(v1.spec_digest) })
    }
}

/// Why a message could not be read.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// No bytes.
    #[error("message is empty")]
    Empty,
    /// Longer than [`MAX_NUM_BYTES`].
    #[error("message of `{num_bytes}` bytes is longer than `{MAX_NUM_BYTES}`")]
    Oversize {
        /// Its length.
        num_bytes: usize,
    },
    /// Written by another generation.
    #[error(
        "message has version `{version}`, this worker reads `{VERSION}`: update the older of scheduler and worker"
    )]
    Version {
        /// Its version.
        version: u8,
    },
    /// More bytes than the message needs.
    #[error("message is followed by `{num_bytes}` stray bytes")]
    Trailing {
        /// How many.
        num_bytes: usize,
    },
    /// Not bincode of a message.
    #[error("message is damaged: {0}")]
    Damaged(#[from] bincode::error::DecodeError),
    /// Well formed, but names no run.
    #[error("message is damaged: {}", line(.0))]
    Run(#[from] IdError),
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn task() -> ChunkTask {
        ChunkTask { run: "demo-0123456789abcdef".parse().unwrap(), chunk: 300, spec_digest: Digest([7; 32]) }
    }

    /// Changing these bytes strands the messages of a running fleet: raise `VERSION` instead.
    #[test]
    fn bytes_are_pinned() {
        let mut pinned = vec![1, 21];
        pinned.extend(b"demo-0123456789abcdef");
        pinned.extend([251, 0x2c, 0x01]);
        pinned.extend([7; 32]);
        assert_eq!(task().encode(), pinned);
        assert_eq!(ChunkTask::decode(&pinned).unwrap(), task());
    }

    #[test]
    fn damage_is_named() {
        let good = task().encode();
        let read = |bytes: &[u8]| ChunkTask::decode(bytes).unwrap_err();
        assert!(matches!(read(&[]), WireError::Empty));
        assert!(matches!(read(&[&[2], &good[1..]].concat()), WireError::Version { version: 2 }));
        assert!(matches!(read(&[&good[..], &[0]].concat()), WireError::Trailing { num_bytes: 1 }));
        assert!(matches!(read(&vec![1; 2000]), WireError::Oversize { num_bytes: 2000 }));
        assert!(matches!(read(&good[..20]), WireError::Damaged(_)));
        let mut slash = good.clone();
        slash[4] = b'/';
        assert!(matches!(read(&slash), WireError::Run(_)));
        let mut broken = good.clone();
        broken[6..8].copy_from_slice(b"\n\x1b");
        let line = read(&broken).to_string();
        assert!(line.contains("`demo \\u{1b}123456789abcdef` is no run"), "{line}");
    }

    proptest! {
        #[test]
        fn damaged_bytes_are_refused_or_read(
            edits in prop::collection::vec((0usize..58, any::<u8>()), 0..4),
            len in 0usize..=58,
        ) {
            let mut bytes = task().encode();
            for (place, byte) in edits {
                bytes[place] = byte;
            }
            for bytes in [&bytes[..], &bytes[..len]] {
                if let Ok(task) = ChunkTask::decode(bytes) {
                    prop_assert_eq!(ChunkTask::decode(&task.encode()).unwrap(), task);
                }
            }
        }

        #[test]
        fn every_task_returns(chunk in any::<u32>(), digest in any::<[u8; 32]>(), name in "[a-z0-9][a-z0-9-]{0,47}") {
            let digest = Digest(digest);
            let task = ChunkTask { run: RunId::new(&name, &digest).unwrap(), chunk, spec_digest: digest };
            prop_assert_eq!(ChunkTask::decode(&task.encode()).unwrap(), task);
        }
    }
}
