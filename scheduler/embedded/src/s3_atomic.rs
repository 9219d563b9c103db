use std::hash::{BuildHasher, RandomState};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use fidelis_shared::failure;
use s3s::dto::*;
use s3s::{Body, S3, S3Error, S3Request, S3Response, S3Result, s3_error};
use s3s_fs::FileSystem;
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock, watch};

use super::s3_listing::{self, Entry, Query};

/// Of one page of a listing, as with S3.
const MAX_KEYS: usize = 1000;
/// S3's own limit for one PUT is 5 GiB; bodies are held in memory here.
const MAX_BODY_BYTES: usize = 2 << 30;
const NUM_LOCKS: usize = 256;

/// `s3s-fs` made atomic per key, which it is not: it looks whether a key exists and then writes (so that two
/// creates can both win), writes an object before its metadata, and keeps a body that failed its checksum.
///
/// Writers of a key take turns, readers see an object with its metadata or not at all, and a write that has begun
/// ends even if its client hangs up. The body is read before the lock is taken: a stalled client holds up nobody.
pub(super) struct AtomicS3 {
    /// The folder of the buckets' folders.
    root: PathBuf,
    files: Arc<FileSystem>,
    locks: Vec<Arc<RwLock<()>>>,
    hasher: RandomState,
    disk: Disk,
}

/// What the system said to the first write that the disk did not take.
pub(super) type Disk = Arc<watch::Sender<Option<String>>>;

impl AtomicS3 {
    pub(super) fn new(root: &Path, files: FileSystem, disk: Disk) -> Self {
        let locks = std::iter::repeat_with(Arc::default).take(NUM_LOCKS).collect();
        AtomicS3 { root: root.to_owned(), files: Arc::new(files), locks, hasher: RandomState::new(), disk }
    }

    /// Keys share locks by hash: a needless wait at worst.
    fn lock_of(&self, key: &str) -> Arc<RwLock<()>> {
        self.locks[self.hasher.hash_one(key) as usize % NUM_LOCKS].clone()
    }

    async fn reading(&self, key: &str) -> OwnedRwLockReadGuard<()> {
        self.lock_of(key).read_owned().await
    }

    async fn writing(&self, key: &str) -> OwnedRwLockWriteGuard<()> {
        self.lock_of(key).write_owned().await
    }

    /// `s3s-fs` would make the bucket's folder on the first write.
    async fn check_bucket<T>(&self, bucket: &str, request: &S3Request<T>) -> S3Result<()> {
        let input = HeadBucketInput { bucket: bucket.to_owned(), expected_bucket_owner: None };
        self.files.head_bucket(with_input(request, input)).await.map(drop)
    }
}

/// The same caller's request for something else.
fn with_input<T, U>(request: &S3Request<T>, input: U) -> S3Request<U> {
    S3Request {
        input,
        method: request.method.clone(),
        uri: request.uri.clone(),
        headers: request.headers.clone(),
        extensions: request.extensions.clone(),
        credentials: request.credentials.clone(),
        region: request.region.clone(),
        service: request.service.clone(),
        trailing_headers: request.trailing_headers.clone(),
    }
}

/// What the system said, where it is the disk that took nothing: full, or read-only after a fault of its own.
fn refused_by_disk(error: &S3Error) -> Option<String> {
    let cause = error.source()?.downcast_ref::<io::Error>()?;
    (failure::is_full(cause) || cause.kind() == ErrorKind::ReadOnlyFilesystem).then(|| cause.to_string())
}

/// Runs a write to its end, whatever becomes of the connection that asked for it.
async fn to_the_end<T: Send + 'static>(
    write: impl Future<Output = S3Result<S3Response<T>>> + Send + 'static,
) -> S3Result<S3Response<T>> {
    match tokio::spawn(write).await {
        Ok(result) => result,
        Err(_) => Err(s3_error!(InternalError, "the write did not end")),
    }
}

#[async_trait::async_trait]
impl S3 for AtomicS3 {
    async fn put_object(&self, mut req: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        self.check_bucket(&req.input.bucket, &req).await?;
        let mut body = req.input.body.take().map(Body::from).unwrap_or_default();
        let read = body.store_all_limited(MAX_BODY_BYTES).await;
        let bytes: Bytes = read.map_err(|error| s3_error!(IncompleteBody, "the body broke off: {error}"))?;
        req.input.body = Some(StreamingBlob::from(Body::from(bytes)));
        let guard = self.writing(&req.input.key).await;
        let (files, disk) = (self.files.clone(), self.disk.clone());
        to_the_end(async move {
            let _guard = guard;
            let undo = DeleteObjectInput {
                bucket: req.input.bucket.clone(),
                key: req.input.key.clone(),
                ..DeleteObjectInput::default()
            };
            let undo = with_input(&req, undo);
            let result = files.put_object(req).await;
            // A body that does not match its checksum has been renamed into place by now.
            if result.as_ref().is_err_and(|error| error.code().as_str() == "BadDigest") {
                files.delete_object(undo).await?;
            }
            if let Some(cause) = result.as_ref().err().and_then(refused_by_disk) {
                disk.send_if_modified(|first| first.is_none() && first.replace(cause).is_none());
            }
            result
        })
        .await
    }

    async fn complete_multipart_upload(
        &self,
        req: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let guard = self.writing(&req.input.key).await;
        let files = self.files.clone();
        to_the_end(async move {
            let _guard = guard;
            files.complete_multipart_upload(req).await
        })
        .await
    }

    async fn get_object(&self, req: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        self.check_bucket(&req.input.bucket, &req).await?;
        let _guard = self.reading(&req.input.key).await;
        self.files.get_object(req).await
    }

    async fn head_object(&self, req: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        let _guard = self.reading(&req.input.key).await;
        self.files.head_object(req).await
    }

    async fn delete_object(
        &self,
        req: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        let _guard = self.writing(&req.input.key).await;
        self.files.delete_object(req).await
    }

    async fn head_bucket(&self, req: S3Request<HeadBucketInput>) -> S3Result<S3Response<HeadBucketOutput>> {
        self.files.head_bucket(req).await
    }

    async fn list_buckets(
        &self,
        req: S3Request<ListBucketsInput>,
    ) -> S3Result<S3Response<ListBucketsOutput>> {
        self.files.list_buckets(req).await
    }

    async fn list_objects_v2(
        &self,
        req: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        self.check_bucket(&req.input.bucket, &req).await?;
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
        let (folder, max_keys) = (self.root.join(&bucket), query.max_keys as i32);
        let listed = tokio::task::spawn_blocking(move || s3_listing::page(&folder, &query)).await;
        let page = listed.map_err(io::Error::other).flatten();
        let page = page.map_err(|error| s3_error!(InternalError, "cannot list the folder: {error}"))?;
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
        self.check_bucket(&req.input.bucket, &req).await?;
        self.files.create_multipart_upload(req).await
    }

    async fn upload_part(&self, req: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
        self.files.upload_part(req).await
    }

    async fn abort_multipart_upload(
        &self,
        req: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        self.files.abort_multipart_upload(req).await
    }
}
