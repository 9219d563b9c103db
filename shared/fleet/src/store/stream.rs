//! Objects too large to hold: read as a stream, from any byte on, if they are still the version meant.

use std::time::Duration;

use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;

use super::error::Request;
use super::objects::status_of;
use super::{Store, StoreError};

/// A server may take its time, but not fall silent.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// What is asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Fetch<'a> {
    /// Relative to the store's prefix.
    pub key: &'a str,
    /// The first byte wanted.
    pub from: u64,
    /// Only of this version (an entity tag).
    pub if_match: Option<&'a str>,
    /// Only if it is another version.
    pub if_none_match: Option<&'a str>,
}

/// What is there.
#[derive(Debug)]
pub enum Opened {
    /// Nothing.
    Missing,
    /// The version of `if_none_match`.
    Unchanged,
    /// Another version than that of `if_match`, or one that ends before `from`.
    Changed,
    /// Bytes.
    Object(Box<ObjectBody>),
}

/// An object's bytes on their way; dropped, they stop.
#[derive(Debug)]
pub struct ObjectBody {
    /// The place of the first byte in the object.
    pub from: u64,
    /// The object's length, where the server says.
    pub num_bytes: Option<u64>,
    /// The version's entity tag.
    pub mark: Option<String>,
    store: Store,
    key: String,
    body: ByteStream,
}

impl Store {
    /// Opens an object. Tries once: whoever reads a stream has to be ready to open it again anyway.
    ///
    /// # Errors
    /// What kept the store from answering.
    pub async fn open(&self, fetch: Fetch<'_>) -> Result<Opened, StoreError> {
        let Fetch { key, from, if_match, if_none_match } = fetch;
        let get = self.client.get_object().bucket(self.bucket()).key(self.full_key(key));
        let get = get.set_range((from > 0).then(|| format!("bytes={from}-")));
        let get = get.set_if_match(if_match.map(str::to_owned));
        let answer = match get.set_if_none_match(if_none_match.map(str::to_owned)).send().await {
            Ok(answer) => answer,
            Err(SdkError::ServiceError(answer)) if answer.err().is_no_such_key() => {
                return Ok(Opened::Missing);
            }
            Err(error) => {
                return match status_of(&error) {
                    Some(304) => Ok(Opened::Unchanged),
                    Some(412 | 416) if from > 0 => Ok(Opened::Changed),
                    _ => Err(self.request("read", key).failed(&error)),
                };
            }
        };
        let range = answer.content_range().and_then(crate::range::parse);
        let length = answer.content_length().and_then(|length| u64::try_from(length).ok());
        let (from, num_bytes) = range.unwrap_or((0, length));
        let mark = answer.e_tag().map(str::to_owned);
        let (store, key) = (self.clone(), key.to_owned());
        let body = ObjectBody { from, num_bytes, mark, store, key, body: answer.body };
        Ok(Opened::Object(Box::new(body)))
    }
}

impl ObjectBody {
    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// [`StoreError::Unreachable`] when the connection breaks off or falls silent.
    pub async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        let request = Request { store: &self.store, action: "read", key: &self.key };
        match tokio::time::timeout(READ_TIMEOUT, self.body.next()).await {
            Ok(piece) => piece.transpose().map_err(|error| request.broke_off(&error)),
            Err(silence) => Err(request.broke_off(&silence)),
        }
    }
}
