use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::objects::status_of;
use super::{Store, StoreError};
use fidelis_contract::keys;

impl Store {
    /// Checks at start what a run relies on: the bucket answers, and a write is readable and listed at once.
    ///
    /// A server that ignores `If-None-Match` is noted, with one warning: [`Store::create`] then looks before it
    /// writes, which two writers in the same instant can slip through.
    /// Leaves one small object, [`keys::PROBE`], which every later probe uses again.
    ///
    /// # Errors
    /// No such bucket, no access, no connection, or a store that does not show what was written.
    pub async fn probe(&self) -> Result<(), StoreError> {
        retrying!(self, self.probe_bucket())?;
        let honoured = retrying!(self, self.probe_create_only())?;
        if !honoured && self.create_only.swap(false, Ordering::Relaxed) {
            tracing::warn!(
                endpoint = self.endpoint(),
                "the store ignores `If-None-Match`: looking before each write instead, which two workers in the same instant can slip through"
            );
        }
        if self.get(keys::PROBE).await?.as_deref() != Some(PROBE_BYTES) {
            return Err(self.unfit("does not return an object just written"));
        }
        if !self.list(keys::PROBE).await?.iter().any(|object| object.key == keys::PROBE) {
            return Err(self.unfit("does not list an object just written"));
        }
        Ok(())
    }

    async fn probe_bucket(&self) -> Result<(), StoreError> {
        match self.client.head_bucket().bucket(self.bucket()).send().await {
            Ok(_) => Ok(()),
            // HEAD has no body to name the error in.
            Err(error) if status_of(&error) == Some(404) => Err(StoreError::NoSuchBucket {
                bucket: self.bucket().to_owned(),
                endpoint: self.endpoint().to_owned(),
            }),
            // Nor one to tell keys that have expired from keys that may not.
            Err(error) if matches!(status_of(&error), Some(400 | 401 | 403)) => {
                self.try_list(keys::PROBE, None, None).await.map(drop)
            }
            Err(error) => Err(self.request("find", "").failed(&error)),
        }
    }

    /// Creates the same object twice: the second time must be refused.
    async fn probe_create_only(&self) -> Result<bool, StoreError> {
        let bytes = Bytes::from_static(PROBE_BYTES);
        for _ in 0..2 {
            match self.put(keys::PROBE, &bytes, "text/plain").if_none_match("*").send().await {
                Ok(_) => {}
                Err(error) if status_of(&error) == Some(412) => return Ok(true),
                // Servers that do not know the condition on PUT say so instead of ignoring it.
                Err(error) if status_of(&error) == Some(501) => {
                    let put = self.put(keys::PROBE, &bytes, "text/plain").send().await;
                    put.map_err(|error| self.request("create", keys::PROBE).failed(&error))?;
                    return Ok(false);
                }
                Err(error) => return Err(self.request("create", keys::PROBE).failed(&error)),
            }
        }
        Ok(false)
    }

    fn unfit(&self, fault: &'static str) -> StoreError {
        StoreError::Unfit { endpoint: self.endpoint().to_owned(), fault }
    }
}

const PROBE_BYTES: &[u8] = b"fidelis checks here that objects are created once\n";
