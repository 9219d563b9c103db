use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use fidelis_contract::outcome::is_full;
use s3s::checksum::ChecksumHasher;
use s3s::dto::*;
use s3s::{Body, S3, S3Error, S3Request, S3Response, S3Result, TrailingHeaders, s3_error};
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock, watch};
use tokio::task::spawn_blocking;
use tokio_util::io::ReaderStream;

use crate::folder::{Folder, Found, Note, Place};
use crate::older;
use crate::s3_listing::{self, Entry, Query};

/// Of one page of a listing, as with S3.
const MAX_KEYS: usize = 1000;
/// S3's own limit for one PUT is 5 GiB; bodies are held in memory here.
const MAX_BODY_BYTES: usize = 2 << 30;
const NUM_LOCKS: usize = 256;
/// Of a body on its way out.
const PIECE_LEN: usize = 256 << 10;

/// S3 over a folder: what [`S3Server`](crate::S3Server) serves, without signatures.
///
/// Writers of a key take turns, readers see an object with its note or not at all, and a write that has begun ends even
/// if its client hangs up. The body is read before the lock is taken: a stalled client holds up nobody.
#[derive(Debug)]
pub struct FolderS3 {
    pub(crate) folder: Folder,
    locks: Vec<Arc<RwLock<()>>>,
    hasher: RandomState,
    disk: Disk,
}

/// What the system said to the first write that the disk did not take.
pub(crate) type Disk = Arc<watch::Sender<Option<String>>>;

impl FolderS3 {
    /// Serves the buckets that are folders in `root`. Its locks are in memory: one at a time may write.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub fn open(root: &Path) -> io::Result<Self> {
        let folder = Folder::open(root)?;
        older::tidy(root, &folder)?;
        let locks = std::iter::repeat_with(Arc::default).take(NUM_LOCKS).collect();
        Ok(Self { folder, locks, hasher: RandomState::new(), disk: Disk::default() })
    }

    pub(crate) fn disk(&self) -> Disk {
        self.disk.clone()
    }

    /// Keys share locks by hash: a needless wait at worst.
    fn lock_of(&self, key: &str) -> Arc<RwLock<()>> {
        self.locks[self.hasher.hash_one(key) as usize % NUM_LOCKS].clone()
    }

    async fn reading(&self, key: &str) -> OwnedRwLockReadGuard<()> {
        self.lock_of(key).read_owned().await
    }

    pub(crate) async fn writing(&self, key: &str) -> OwnedRwLockWriteGuard<()> {
        self.lock_of(key).write_owned().await
    }

    fn check_bucket(&self, bucket: &str) -> S3Result<()> {
        if s3s::path::check_bucket_name(bucket) && self.folder.bucket(bucket).is_dir() {
            return Ok(());
        }
        Err(s3_error!(NoSuchBucket, "there is no such bucket"))
    }

    pub(crate) fn place(&self, bucket: &str, key: &str) -> S3Result<Place> {
        self.check_bucket(bucket)?;
        let place = self.folder.place(bucket, key);
        place.ok_or_else(|| s3_error!(InvalidArgument, "a key here is a path below its bucket's folder"))
    }

    /// Runs `work` where it may block, to its end, whatever becomes of the connection that asked for it.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> S3Result<T> + Send + 'static,
    ) -> S3Result<T> {
        match spawn_blocking(work).await {
            Ok(result) => result,
            Err(_) => Err(s3_error!(InternalError, "the work did not end")),
        }
        .inspect_err(|error| {
            if let Some(cause) = refused_by_disk(error) {
                self.disk.send_if_modified(|first| first.is_none() && first.replace(cause).is_none());
            }
        })
    }

    /// What `look` makes of an object.
    async fn opened<T: Send + 'static>(
        &self,
        (bucket, key): (&str, &str),
        look: impl FnOnce(File, Found) -> S3Result<T> + Send + 'static,
    ) -> S3Result<T> {
        let place = self.place(bucket, key)?;
        let guard = self.reading(key).await;
        let opened = self.blocking(move || {
            let _guard = guard;
            match place.open().map_err(failed)? {
                Some((file, found)) => look(file, found),
                None => Err(s3_error!(NoSuchKey, "there is no such object")),
            }
        });
        opened.await
    }
}

pub(crate) fn failed(error: io::Error) -> S3Error {
    let text = error.to_string();
    s3_error!(error, InternalError, "the folder: {text}")
}

/// What the system said, where it is the disk that took nothing: full, or read-only after a fault of its own.
fn refused_by_disk(error: &S3Error) -> Option<String> {
    let cause = error.source()?.downcast_ref::<io::Error>()?;
    (is_full(cause) || cause.kind() == ErrorKind::ReadOnlyFilesystem).then(|| cause.to_string())
}

/// A part of an object on its way out: what is small is read here and now, the rest piece by piece as it is sent.
fn body(mut file: File, part: Range<u64>) -> io::Result<StreamingBlob> {
    let len = part.end - part.start;
    if part.start > 0 {
        file.seek(SeekFrom::Start(part.start))?;
    }
    if len <= PIECE_LEN as u64 {
        let mut bytes = Vec::with_capacity(len as usize);
        file.take(len).read_to_end(&mut bytes)?;
        return Ok(Body::from(bytes).into());
    }
    let part = tokio::io::AsyncReadExt::take(tokio::fs::File::from_std(file), len);
    Ok(StreamingBlob::wrap(ReaderStream::with_capacity(part, PIECE_LEN)))
}

/// The whole body.
pub(crate) async fn read(body: Option<StreamingBlob>) -> S3Result<Bytes> {
    let mut body = body.map(Body::from).unwrap_or_default();
    let read = body.store_all_limited(MAX_BODY_BYTES).await;
    read.map_err(|error| s3_error!(IncompleteBody, "the body broke off: {error}"))
}

/// A body that is not what its sender says it is.
fn check_sums(input: &PutObjectInput, trailers: Option<TrailingHeaders>, bytes: &[u8]) -> S3Result<()> {
    let trailers = trailers.and_then(|trailers| trailers.take());
    let told = |header: &Option<String>, name: &str| {
        let trailer = || Some(trailers.as_ref()?.get(name)?.to_str().ok()?.to_owned());
        header.clone().or_else(trailer)
    };
    let sums = [
        told(&input.checksum_crc32, "x-amz-checksum-crc32"),
        told(&input.checksum_crc32c, "x-amz-checksum-crc32c"),
        told(&input.checksum_sha1, "x-amz-checksum-sha1"),
        told(&input.checksum_sha256, "x-amz-checksum-sha256"),
        told(&input.checksum_crc64nvme, "x-amz-checksum-crc64nvme"),
    ];
    let mut hasher = ChecksumHasher {
        crc32: sums[0].is_some().then(Default::default),
        crc32c: sums[1].is_some().then(Default::default),
        sha1: sums[2].is_some().then(Default::default),
        sha256: sums[3].is_some().then(Default::default),
        crc64nvme: sums[4].is_some().then(Default::default),
    };
    hasher.update(bytes);
    let found = hasher.finalize();
    let found = [
        found.checksum_crc32,
        found.checksum_crc32c,
        found.checksum_sha1,
        found.checksum_sha256,
        found.checksum_crc64nvme,
    ];
    if found == sums { Ok(()) } else { Err(s3_error!(BadDigest, "the body does not match its checksum")) }
}

/// Whether an object may be written over what is there.
pub(crate) fn check_condition(
    place: &Place,
    if_match: Option<&ETagCondition>,
    if_none_match: Option<&ETagCondition>,
) -> S3Result<()> {
    let refused = || Err(s3_error!(PreconditionFailed, "at least one of the conditions does not hold"));
    if if_none_match.is_some_and(ETagCondition::is_any) && place.is_taken() {
        return refused();
    }
    let Some(condition) = if_match else { return Ok(()) };
    match place.open().map_err(failed)? {
        Some((_, found)) if is_met(condition, &found.mark) => Ok(()),
        _ => refused(),
    }
}

fn is_met(condition: &ETagCondition, mark: &str) -> bool {
    condition.as_etag().is_none_or(|tag| tag.value() == mark)
}

#[async_trait::async_trait]
impl S3 for FolderS3 {
    async fn put_object(&self, mut req: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let place = self.place(&req.input.bucket, &req.input.key)?;
        let bytes = read(req.input.body.take()).await?;
        let guard = self.writing(&req.input.key).await;
        let (folder, input, trailers) = (self.folder.clone(), req.input, req.trailing_headers);
        let mark = self.blocking(move || {
            let _guard = guard;
            check_sums(&input, trailers, &bytes)?;
            check_condition(&place, input.if_match.as_ref(), input.if_none_match.as_ref())?;
            let note = Note { user_metadata: input.metadata, content_type: input.content_type };
            folder.write(&place, &[bytes], &note).map_err(failed)
        });
        let e_tag = Some(ETag::Strong(mark.await?));
        Ok(S3Response::new(PutObjectOutput { e_tag, ..PutObjectOutput::default() }))
    }

    async fn get_object(&self, req: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let GetObjectInput { bucket, key, if_match, if_none_match, range, .. } = req.input;
        let opened = self.opened((&bucket, &key), move |file, found| {
            if if_match.is_some_and(|condition| !is_met(&condition, &found.mark)) {
                return Err(s3_error!(PreconditionFailed, "it is another version"));
            }
            if if_none_match.is_some_and(|condition| is_met(&condition, &found.mark)) {
                return Err(s3_error!(NotModified));
            }
            let range = range.map(|range| range.check(found.num_bytes)).transpose()?;
            let part = range.clone().unwrap_or(0..found.num_bytes);
            let len = part.end - part.start;
            let body = body(file, part).map_err(failed)?;
            Ok((body, found, range, len))
        });
        let (body, found, range, len) = opened.await?;
        Ok(S3Response::new(GetObjectOutput {
            body: Some(body),
            content_length: i64::try_from(len).ok(),
            content_range: range
                .map(|part| format!("bytes {}-{}/{}", part.start, part.end - 1, found.num_bytes)),
            content_type: found.note.content_type,
            metadata: found.note.user_metadata,
            last_modified: Some(found.modified.into()),
            e_tag: Some(ETag::Strong(found.mark)),
            ..GetObjectOutput::default()
        }))
    }

    async fn head_object(&self, req: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        let (bucket, key) = (&req.input.bucket, &req.input.key);
        let found = self.opened((bucket, key), |_, found| Ok(found)).await?;
        Ok(S3Response::new(HeadObjectOutput {
            content_length: i64::try_from(found.num_bytes).ok(),
            content_type: found.note.content_type,
            metadata: found.note.user_metadata,
            last_modified: Some(found.modified.into()),
            e_tag: Some(ETag::Strong(found.mark)),
            ..HeadObjectOutput::default()
        }))
    }

    async fn delete_object(
        &self,
        req: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        let place = self.place(&req.input.bucket, &req.input.key)?;
        let guard = self.writing(&req.input.key).await;
        let removed = self.blocking(move || {
            let _guard = guard;
            place.remove().map_err(failed)
        });
        removed.await?;
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    async fn head_bucket(&self, req: S3Request<HeadBucketInput>) -> S3Result<S3Response<HeadBucketOutput>> {
        self.check_bucket(&req.input.bucket)?;
        Ok(S3Response::new(HeadBucketOutput::default()))
    }

    async fn list_buckets(&self, _: S3Request<ListBucketsInput>) -> S3Result<S3Response<ListBucketsOutput>> {
        let folder = self.folder.clone();
        let names = self.blocking(move || folder.buckets().map_err(failed)).await?;
        let buckets = names.into_iter().map(|name| Bucket { name: Some(name), ..Bucket::default() });
        let buckets = Some(buckets.collect());
        Ok(S3Response::new(ListBucketsOutput { buckets, ..ListBucketsOutput::default() }))
    }

    async fn list_objects_v2(
        &self,
        req: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        self.check_bucket(&req.input.bucket)?;
        let ListObjectsV2Input {
            bucket, prefix, delimiter, max_keys, continuation_token, start_after, ..
        } = req.input;
        if delimiter.as_deref().is_some_and(|delimiter| delimiter != "/") {
            return Err(s3_error!(NotImplemented, "the only delimiter here is a slash"));
        }
        let query = Query {
            prefix: prefix.clone().unwrap_or_default(),
            after: continuation_token.clone().max(start_after.clone()).unwrap_or_default(),
            by_folder: delimiter.is_some(),
            max_keys: max_keys.map_or(MAX_KEYS, |max| usize::try_from(max).unwrap_or(0).min(MAX_KEYS)),
        };
        let (folder, max_keys) = (self.folder.bucket(&bucket), query.max_keys as i32);
        let page = self.blocking(move || s3_listing::page(&folder, &query).map_err(failed)).await?;
        let key_count = page.entries.len() as i32;
        let last = page.entries.last().map(|entry| entry.key().to_owned());
        let (mut contents, mut common_prefixes) = (Vec::new(), Vec::new());
        for entry in page.entries {
            match entry {
                Entry::Folder(prefix) => common_prefixes.push(CommonPrefix { prefix: Some(prefix) }),
                Entry::Object { key, num_bytes, modified } => contents.push(Object {
                    key: Some(key),
                    size: Some(num_bytes as i64),
                    last_modified: Some(modified.into()),
                    ..Object::default()
                }),
            }
        }
        Ok(S3Response::new(ListObjectsV2Output {
            name: Some(bucket),
            prefix,
            delimiter,
            continuation_token,
            start_after,
            max_keys: Some(max_keys),
            key_count: Some(key_count),
            is_truncated: Some(page.is_truncated),
            next_continuation_token: last.filter(|_| page.is_truncated),
            contents: Some(contents),
            common_prefixes: Some(common_prefixes),
            ..ListObjectsV2Output::default()
        }))
    }

    async fn create_multipart_upload(
        &self,
        req: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        self.begin_upload(req.input).await.map(S3Response::new)
    }

    async fn upload_part(&self, req: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
        self.keep_part(req.input).await.map(S3Response::new)
    }

    async fn complete_multipart_upload(
        &self,
        req: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        self.end_upload(req.input).await.map(S3Response::new)
    }

    async fn abort_multipart_upload(
        &self,
        req: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        self.drop_upload(req.input).await.map(S3Response::new)
    }
}
