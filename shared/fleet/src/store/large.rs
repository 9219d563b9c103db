//! Objects of any size: sent and read in parts. One that is sent in parts appears whole, at its end.

use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::{Bytes, BytesMut};

use fidelis_contract::ids::Digest;

use super::objects::SHA256;
use super::{Store, StoreError};

/// What is sent and read in one request: more would not fit the time that one may take on a slow line.
pub const PART_BYTES: usize = 64 << 20;

impl Store {
    /// Writes a derived object of any size, over an older one if there is one. `part_bytes` is [`PART_BYTES`] where it
    /// matters; servers refuse less than 5 MiB.
    ///
    /// # Errors
    /// What kept the store from answering; the older object stays.
    pub async fn replace_large(&self, key: &str, bytes: &[u8], part_bytes: usize) -> Result<(), StoreError> {
        if bytes.len() <= part_bytes {
            return self.replace(key, Bytes::copy_from_slice(bytes), "application/octet-stream").await;
        }
        let sha256 = Digest::of(bytes).to_string();
        let upload = retrying!(self, async {
            let begun = self.client.create_multipart_upload().bucket(self.bucket()).key(self.full_key(key));
            let begun = begun.content_type("application/octet-stream").metadata(SHA256, &sha256).send().await;
            let begun = begun.map_err(|error| self.request("write", key).failed(&error))?;
            Ok::<_, StoreError>(begun.upload_id().unwrap_or_default().to_owned())
        })?;
        let sent = self.send_parts(key, &upload, bytes.chunks(part_bytes)).await;
        if sent.is_err() {
            let abort = self.client.abort_multipart_upload().bucket(self.bucket()).key(self.full_key(key));
            // Its parts would be paid for until somebody looks.
            abort.upload_id(&upload).send().await.ok();
        }
        sent
    }

    async fn send_parts<'a>(
        &self,
        key: &str,
        upload: &str,
        parts: impl Iterator<Item = &'a [u8]> + Send,
    ) -> Result<(), StoreError> {
        let mut sent = Vec::new();
        for (number, part) in (1..).zip(parts) {
            let part = Bytes::copy_from_slice(part);
            let mark = retrying!(self, async {
                let put = self.client.upload_part().bucket(self.bucket()).key(self.full_key(key));
                let put = put.upload_id(upload).part_number(number).body(part.clone().into()).send().await;
                let put = put.map_err(|error| self.request("write", key).failed(&error))?;
                Ok::<_, StoreError>(put.e_tag().map(str::to_owned))
            })?;
            sent.push(CompletedPart::builder().part_number(number).set_e_tag(mark).build());
        }
        let whole = CompletedMultipartUpload::builder().set_parts(Some(sent)).build();
        retrying!(self, async {
            let done = self.client.complete_multipart_upload().bucket(self.bucket()).key(self.full_key(key));
            let done = done.upload_id(upload).multipart_upload(whole.clone()).send().await;
            done.map(drop).map_err(|error| self.request("write", key).failed(&error))
        })
    }

    /// A whole object of any size, `None` when there is none; of one version, whatever happens to it meanwhile.
    ///
    /// # Errors
    /// What kept the store from answering, among it an object that is replaced all the time.
    pub async fn get_large(&self, key: &str, part_bytes: usize) -> Result<Option<Bytes>, StoreError> {
        const VERSIONS: u32 = 3;
        for _ in 0..VERSIONS {
            let Some(head) = self.head(key).await? else { return Ok(None) };
            if head.num_bytes <= part_bytes as u64 {
                return self.get(key).await;
            }
            let mut bytes = BytesMut::with_capacity(head.num_bytes as usize);
            loop {
                let from = bytes.len() as u64;
                let range = from..head.num_bytes.min(from + part_bytes as u64);
                match self.part(key, range, head.mark.as_deref()).await? {
                    Some(part) if !part.is_empty() => bytes.extend_from_slice(&part),
                    _ => break,
                }
                if bytes.len() as u64 == head.num_bytes {
                    return Ok(Some(bytes.freeze()));
                }
            }
        }
        Err(StoreError::Contended { key: key.to_owned() })
    }
}
