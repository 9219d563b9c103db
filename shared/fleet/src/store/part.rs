//! Parts of an object, as long as it is the version meant.

use std::ops::Range;

use aws_sdk_s3::error::SdkError;
use bytes::Bytes;

use super::objects::status_of;
use super::{Store, StoreError};

/// What is known of an object without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectHead {
    pub num_bytes: u64,
    /// The version's entity tag.
    pub mark: Option<String>,
}

impl Store {
    /// What an object is; `None` when there is none.
    ///
    /// # Errors
    /// What kept the store from answering.
    pub async fn head(&self, key: &str) -> Result<Option<ObjectHead>, StoreError> {
        retrying!(self, async {
            match self.client.head_object().bucket(self.bucket()).key(self.full_key(key)).send().await {
                Ok(head) => {
                    let num_bytes = head.content_length().and_then(|length| u64::try_from(length).ok());
                    let mark = head.e_tag().map(str::to_owned);
                    Ok(Some(ObjectHead { num_bytes: num_bytes.unwrap_or_default(), mark }))
                }
                Err(error) if status_of(&error) == Some(404) => Ok(None),
                Err(error) => Err(self.request("look at", key).failed(&error)),
            }
        })
    }

    /// The bytes of `range`, fewer at the end; `None` when the object is gone, or not the version of `mark` any more.
    ///
    /// # Errors
    /// What kept the store from answering.
    pub async fn part(
        &self,
        key: &str,
        range: Range<u64>,
        mark: Option<&str>,
    ) -> Result<Option<Bytes>, StoreError> {
        if range.is_empty() {
            return Ok(Some(Bytes::new()));
        }
        retrying!(self, async {
            let get = self.client.get_object().bucket(self.bucket()).key(self.full_key(key));
            let get = get.range(format!("bytes={}-{}", range.start, range.end - 1));
            match get.set_if_match(mark.map(str::to_owned)).send().await {
                Ok(answer) if mark.is_some() && answer.e_tag() != mark => Ok(None),
                Ok(answer) => {
                    let request = self.request("read", key);
                    let body = answer.body.collect().await.map_err(|error| request.broke_off(&error))?;
                    Ok(Some(body.into_bytes()))
                }
                Err(SdkError::ServiceError(answer)) if answer.err().is_no_such_key() => Ok(None),
                Err(error) if matches!(status_of(&error), Some(412 | 416)) => Ok(None),
                Err(error) => Err(self.request("read", key).failed(&error)),
            }
        })
    }
}
