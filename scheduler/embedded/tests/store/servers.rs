//! Other S3 servers than the embedded one, over the same kind of folder.

use std::path::Path;

use fidelis_embedded::FolderS3;
use fidelis_fleet::store::{StoreConfig, StoreCredentials};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::dto::*;
use s3s::service::S3ServiceBuilder;
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};

/// Ignores `If-None-Match`, as some do.
struct Forgetful(FolderS3);

/// Lets its key read, and nothing else.
struct ReadOnly(FolderS3);

#[async_trait::async_trait]
impl S3 for Forgetful {
    async fn put_object(&self, mut req: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        req.input.if_none_match = None;
        self.0.put_object(req).await
    }

    async fn get_object(&self, req: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        self.0.get_object(req).await
    }

    async fn head_object(&self, req: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        self.0.head_object(req).await
    }

    async fn head_bucket(&self, req: S3Request<HeadBucketInput>) -> S3Result<S3Response<HeadBucketOutput>> {
        self.0.head_bucket(req).await
    }

    async fn list_objects_v2(
        &self,
        req: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        self.0.list_objects_v2(req).await
    }
}

#[async_trait::async_trait]
impl S3 for ReadOnly {
    async fn put_object(&self, _: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        Err(s3_error!(AccessDenied))
    }

    async fn delete_object(
        &self,
        _: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        Err(s3_error!(AccessDenied))
    }

    async fn get_object(&self, req: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        self.0.get_object(req).await
    }

    async fn head_bucket(&self, req: S3Request<HeadBucketInput>) -> S3Result<S3Response<HeadBucketOutput>> {
        self.0.head_bucket(req).await
    }

    async fn list_objects_v2(
        &self,
        req: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        self.0.list_objects_v2(req).await
    }
}

/// Serves an empty bucket under `root` that forgets conditions.
pub async fn forgetful(root: &Path) -> StoreConfig {
    std::fs::create_dir(root.join("test-bucket")).unwrap();
    serve(Forgetful(FolderS3::open(root).unwrap())).await
}

/// Serves the buckets under `root`, beside whoever serves them too, to a key that may only read.
pub async fn read_only(root: &Path) -> StoreConfig {
    serve(ReadOnly(FolderS3::open(root).unwrap())).await
}

/// Until the test's runtime ends.
async fn serve(s3: impl S3) -> StoreConfig {
    let mut service = S3ServiceBuilder::new(s3);
    service.set_auth(SimpleAuth::from_single("key", "secret"));
    let service = service.build();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let builder = Builder::new(TokioExecutor::new());
            let connection = builder.serve_connection(TokioIo::new(socket), service.clone()).into_owned();
            tokio::spawn(connection);
        }
    });
    let credentials = StoreCredentials { access_key: "key".into(), secret_key: "secret".into() };
    StoreConfig {
        url: "s3://test-bucket".into(),
        endpoint: Some(endpoint),
        region: None,
        credentials: Some(credentials),
    }
}
