//! Uploads in parts, as other tools make them of large files: parts lie hidden until they are one object.

use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::PathBuf;

use s3s::dto::*;
use s3s::{S3Result, s3_error};

use crate::folder::{Note, mark_of};
use crate::s3_folder::{FolderS3, check_condition, failed, read};

/// S3's own.
const MAX_PARTS: i32 = 10_000;
/// In an upload's folder, beside its parts.
const NOTE: &str = "note.json";

impl FolderS3 {
    pub(crate) async fn begin_upload(
        &self,
        input: CreateMultipartUploadInput,
    ) -> S3Result<CreateMultipartUploadOutput> {
        self.place(&input.bucket, &input.key)?;
        let id = format!("{:016x}{:016x}", RandomState::new().hash_one(0), RandomState::new().hash_one(1));
        let note = Note { user_metadata: input.metadata, content_type: input.content_type };
        let folder = self.folder.uploads().join(&id);
        let made = self.blocking(move || {
            fs::create_dir_all(&folder).map_err(failed)?;
            let note = serde_json::to_vec(&note).map_err(|error| failed(error.into()))?;
            fs::write(folder.join(NOTE), note).map_err(failed)
        });
        made.await?;
        Ok(CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(id),
            ..CreateMultipartUploadOutput::default()
        })
    }

    pub(crate) async fn keep_part(&self, mut input: UploadPartInput) -> S3Result<UploadPartOutput> {
        let part = self.upload(&input.upload_id)?.join(part_name(input.part_number)?);
        let bytes = read(input.body.take()).await?;
        let folder = self.folder.clone();
        let mark = self.blocking(move || {
            let mut file = folder.begin().map_err(failed)?;
            io::Write::write_all(&mut file, &bytes).map_err(failed)?;
            file.persist(&part).map_err(|error| failed(error.error))?;
            fs::metadata(&part).map(|meta| mark_of(&meta)).map_err(failed)
        });
        Ok(UploadPartOutput { e_tag: Some(ETag::Strong(mark.await?)), ..UploadPartOutput::default() })
    }

    pub(crate) async fn end_upload(
        &self,
        input: CompleteMultipartUploadInput,
    ) -> S3Result<CompleteMultipartUploadOutput> {
        let CompleteMultipartUploadInput { bucket, key, upload_id, multipart_upload, .. } = input;
        let (upload, place) = (self.upload(&upload_id)?, self.place(&bucket, &key)?);
        let listed = multipart_upload.and_then(|upload| upload.parts).unwrap_or_default();
        let mut parts = Vec::with_capacity(listed.len());
        for part in &listed {
            parts.push(upload.join(part_name(part.part_number.unwrap_or_default())?));
        }
        if parts.is_empty() || !parts.is_sorted() {
            return Err(s3_error!(InvalidPartOrder, "name at least one part, in ascending order"));
        }
        let guard = self.writing(&key).await;
        let folder = self.folder.clone();
        let mark = self.blocking(move || {
            let _guard = guard;
            check_condition(&place, input.if_match.as_ref(), input.if_none_match.as_ref())?;
            let mut file = folder.begin().map_err(failed)?;
            for part in &parts {
                let mut part = File::open(part)
                    .map_err(|error| s3_error!(error, InvalidPart, "a part was never uploaded"))?;
                io::copy(&mut part, &mut file).map_err(failed)?;
            }
            let note = fs::read(upload.join(NOTE)).map_err(failed)?;
            let note = serde_json::from_slice(&note).unwrap_or_default();
            let mark = folder.keep(&place, file, &note).map_err(failed)?;
            fs::remove_dir_all(&upload).map_err(failed)?;
            Ok(mark)
        });
        let e_tag = Some(ETag::Strong(mark.await?));
        let (bucket, key) = (Some(bucket), Some(key));
        Ok(CompleteMultipartUploadOutput { bucket, key, e_tag, ..CompleteMultipartUploadOutput::default() })
    }

    pub(crate) async fn drop_upload(
        &self,
        input: AbortMultipartUploadInput,
    ) -> S3Result<AbortMultipartUploadOutput> {
        let folder = self.upload(&input.upload_id)?;
        self.blocking(move || fs::remove_dir_all(&folder).map_err(failed)).await?;
        Ok(AbortMultipartUploadOutput::default())
    }

    /// The folder of an upload that has begun and not ended.
    fn upload(&self, id: &str) -> S3Result<PathBuf> {
        let folder = self.folder.uploads().join(id);
        let is_ours = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        let found = is_ours && folder.is_dir();
        found.then_some(folder).ok_or_else(|| s3_error!(NoSuchUpload, "there is no such upload"))
    }
}

/// Sorts as the numbers do.
fn part_name(number: i32) -> S3Result<String> {
    let is_number = (1..=MAX_PARTS).contains(&number);
    is_number
        .then(|| format!("{number:05}"))
        .ok_or_else(|| s3_error!(InvalidArgument, "parts are numbered from 1 to {MAX_PARTS}"))
}
