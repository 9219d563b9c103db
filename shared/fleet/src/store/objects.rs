use std::sync::atomic::Ordering;

use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use bytes::Bytes;

use super::error::Request;
use super::{Store, StoreError};
use crate::failpoint::{Bug, planted};
use fidelis_contract::ids::Digest;

/// The metadata entry (`x-amz-meta-sha256`) that lets a loser compare without reading the object.
pub(super) const SHA256: &str = "sha256";

/// How often an object is read whose bytes do not match its digest.
const MAX_READS: u32 = 4;

/// How [`Store::create`] succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    /// The object was not there before.
    New,
    /// The same bytes were there: another's, or our own of an earlier try.
    Same,
}

/// One object of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Relative to the store's prefix, as given to the other operations.
    pub key: String,
    pub num_bytes: u64,
}

/// What lies directly below a prefix, sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Folder {
    pub objects: Vec<ObjectInfo>,
    /// As keys that end in `/`.
    pub folders: Vec<String>,
}

impl Store {
    /// Writes an object that must not exist yet; never overwrites (I4).
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the key holds other bytes; else what kept the store from answering.
    pub async fn create(&self, key: &str, bytes: Bytes) -> Result<Created, StoreError> {
        let ours = Digest::of(&bytes);
        self.create_hashed(key, &bytes, ours).await
    }

    /// As [`create`](Self::create), of bytes whose digest is known.
    ///
    /// # Errors
    /// Those of [`create`](Self::create).
    pub async fn create_hashed(&self, key: &str, bytes: &Bytes, ours: Digest) -> Result<Created, StoreError> {
        retrying!(self, self.try_create(key, bytes, ours))
    }

    async fn try_create(&self, key: &str, bytes: &Bytes, ours: Digest) -> Result<Created, StoreError> {
        let put = self.put(key, bytes, "application/octet-stream").metadata(SHA256, ours.to_string());
        if !self.create_only.load(Ordering::Relaxed) {
            if let Some(theirs) = self.stored_digest(key, bytes.len()).await? {
                return compare(key, ours, theirs);
            }
            put.send().await.map_err(|error| self.request("create", key).failed(&error))?;
            return Ok(Created::New);
        }
        let put = if planted(Bug::OverwritingPut) { put } else { put.if_none_match("*") };
        match put.send().await {
            Ok(_) => Ok(Created::New),
            Err(error) if status_of(&error) == Some(412) && planted(Bug::Believed412) => Ok(Created::Same),
            Err(error) if status_of(&error) == Some(412) => match self.stored_digest(key, bytes.len()).await?
            {
                Some(theirs) => compare(key, ours, theirs),
                // Deleted since, or not visible yet.
                None => Err(StoreError::Contended { key: key.to_owned() }),
            },
            Err(error) if status_of(&error) == Some(409) => {
                Err(StoreError::Contended { key: key.to_owned() })
            }
            Err(error) => Err(self.request("create", key).failed(&error)),
        }
    }

    /// Writes a derived object, over an older one if there is one.
    ///
    /// # Errors
    /// What kept the store from answering.
    pub async fn replace(&self, key: &str, bytes: Bytes, content_type: &str) -> Result<(), StoreError> {
        let sha256 = Digest::of(&bytes).to_string();
        retrying!(self, async {
            let put = self.put(key, &bytes, content_type).metadata(SHA256, &sha256);
            put.send().await.map_err(|error| self.request("write", key).failed(&error))?;
            Ok(())
        })
    }

    /// The whole object, or `None` when there is none. What does not match the digest noted beside it is read again: it
    /// may have suffered on the way. Bytes that stay so are given all the same; whoever trusts them compares.
    ///
    /// # Errors
    /// What kept the store from answering.
    pub async fn get(&self, key: &str) -> Result<Option<Bytes>, StoreError> {
        let mut reads = 1;
        loop {
            match retrying!(self, self.try_get(key))? {
                Some((bytes, Some(noted))) if noted != Digest::of(&bytes) && reads < MAX_READS => {
                    tracing::info!(key, "the bytes read are not those written: reading again");
                    reads += 1;
                }
                found => return Ok(found.map(|(bytes, _)| bytes)),
            }
        }
    }

    /// The whole object with the digest that its writer noted beside it; `None` when there is none.
    ///
    /// # Errors
    /// What kept the store from answering.
    pub async fn get_noted(&self, key: &str) -> Result<Option<(Bytes, Option<Digest>)>, StoreError> {
        retrying!(self, self.try_get(key))
    }

    async fn try_get(&self, key: &str) -> Result<Option<(Bytes, Option<Digest>)>, StoreError> {
        let request = self.request("read", key);
        match self.client.get_object().bucket(self.bucket()).key(self.full_key(key)).send().await {
            Ok(answer) => {
                let noted = answer.metadata().and_then(|entries| entries.get(SHA256)?.parse().ok());
                match answer.body.collect().await {
                    Ok(body) => Ok(Some((body.into_bytes(), noted))),
                    Err(error) => Err(request.broke_off(&error)),
                }
            }
            Err(SdkError::ServiceError(answer)) if answer.err().is_no_such_key() => Ok(None),
            // To keys that may not list the whole bucket, what is missing may look like what is forbidden.
            Err(error) if status_of(&error) == Some(403) && self.lacks(key).await => Ok(None),
            Err(error) => Err(request.failed(&error)),
        }
    }

    /// Whether a listing, which some keys may have of their own prefix alone, says that there is no such object.
    async fn lacks(&self, key: &str) -> bool {
        let full_key = self.full_key(key);
        let page = self.try_list(key, None, None).await;
        page.is_ok_and(|page| page.contents().iter().all(|object| object.key() != Some(&full_key)))
    }

    /// Every object whose key begins with `prefix`, sorted by key; as many pages as it takes.
    ///
    /// # Errors
    /// What kept the store from answering.
    pub async fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>, StoreError> {
        let (mut objects, mut token) = (Vec::new(), None);
        loop {
            let page = retrying!(self, self.try_list(prefix, None, token.clone()))?;
            objects.extend(self.objects_of(&page));
            token = page.next_continuation_token().map(str::to_owned);
            if token.is_none() {
                objects.sort_by(|a, b| a.key.cmp(&b.key));
                return Ok(objects);
            }
        }
    }

    /// What lies directly below `prefix`, without looking into folders; as many pages as it takes.
    ///
    /// # Errors
    /// What kept the store from answering.
    pub async fn folder(&self, prefix: &str) -> Result<Folder, StoreError> {
        let (mut folder, mut token) = (Folder::default(), None);
        loop {
            let page = retrying!(self, self.try_list(prefix, Some("/"), token.clone()))?;
            let found = page.common_prefixes().iter().filter_map(|common| common.prefix());
            let below = found.filter_map(|folder| folder.strip_prefix(&self.location.prefix));
            folder.folders.extend(below.map(str::to_owned));
            folder.objects.extend(self.objects_of(&page));
            token = page.next_continuation_token().map(str::to_owned);
            if token.is_none() {
                folder.folders.sort();
                folder.objects.sort_by(|a, b| a.key.cmp(&b.key));
                return Ok(folder);
            }
        }
    }

    fn objects_of<'a>(&'a self, page: &'a ListObjectsV2Output) -> impl Iterator<Item = ObjectInfo> + 'a {
        page.contents().iter().filter_map(|object| {
            let key = object.key()?.strip_prefix(&self.location.prefix)?.to_owned();
            Some(ObjectInfo { key, num_bytes: object.size()?.try_into().ok()? })
        })
    }

    /// Removes an object; one that is not there is as good. For the control plane: workers never remove anything.
    ///
    /// # Errors
    /// What kept the store from answering.
    pub async fn remove(&self, key: &str) -> Result<(), StoreError> {
        retrying!(self, async {
            let removed = self.client.delete_object().bucket(self.bucket()).key(self.full_key(key)).send();
            removed.await.map(drop).map_err(|error| self.request("remove", key).failed(&error))
        })
    }

    pub(super) async fn try_list(
        &self,
        prefix: &str,
        delimiter: Option<&str>,
        token: Option<String>,
    ) -> Result<ListObjectsV2Output, StoreError> {
        let page = self.client.list_objects_v2().bucket(self.bucket()).prefix(self.full_key(prefix));
        let page =
            page.set_delimiter(delimiter.map(str::to_owned)).set_continuation_token(token).send().await;
        page.map_err(|error| self.request("list", prefix).failed(&error))
    }

    /// The sha256 of an object that a listing says is `num_bytes` long: what its writer noted, else of its bytes; `None`
    /// when it is gone.
    ///
    /// # Errors
    /// What kept the store from answering.
    pub async fn digest(&self, key: &str, num_bytes: u64) -> Result<Option<Digest>, StoreError> {
        retrying!(self, self.stored_digest(key, num_bytes as usize))
    }

    /// The sha256 of what lies at a key: from its metadata, else from its bytes. A note on an object that is not
    /// `num_bytes` long, as ours is, is not believed: it may have been cut off since.
    async fn stored_digest(&self, key: &str, num_bytes: usize) -> Result<Option<Digest>, StoreError> {
        match self.client.head_object().bucket(self.bucket()).key(self.full_key(key)).send().await {
            Ok(head) => {
                let is_whole = head.content_length() == i64::try_from(num_bytes).ok();
                let noted = head.metadata().and_then(|entries| entries.get(SHA256)?.parse().ok());
                match noted.filter(|_| is_whole) {
                    Some(digest) => Ok(Some(digest)),
                    None => Ok(self.try_get(key).await?.map(|(bytes, _)| Digest::of(&bytes))),
                }
            }
            Err(error) if status_of(&error) == Some(404) => Ok(None),
            Err(error) if status_of(&error) == Some(403) && self.lacks(key).await => Ok(None),
            Err(error) => Err(self.request("compare", key).failed(&error)),
        }
    }

    pub(super) fn put(&self, key: &str, bytes: &Bytes, content_type: &str) -> PutObjectFluentBuilder {
        let put = self.client.put_object().bucket(self.bucket()).key(self.full_key(key));
        put.content_type(content_type).body(bytes.clone().into())
    }

    pub(super) fn request<'a>(&'a self, action: &'static str, key: &'a str) -> Request<'a> {
        Request { store: self, action, key }
    }
}

fn compare(key: &str, ours: Digest, theirs: Digest) -> Result<Created, StoreError> {
    if ours == theirs {
        Ok(Created::Same)
    } else {
        Err(StoreError::Conflict { key: key.to_owned(), ours, theirs })
    }
}

pub(super) fn status_of<E>(error: &SdkError<E, aws_sdk_s3::config::http::HttpResponse>) -> Option<u16> {
    Some(error.raw_response()?.status().as_u16())
}
