//! Uploads in parts, which other tools make of large files.

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Builder, Credentials, Region};
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};

use super::Fixture;

const BUCKET: &str = "test-bucket";

fn client(fixture: &Fixture) -> Client {
    let (access_key, secret_key) = (fixture.server.access_key(), fixture.server.secret_key());
    let http = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring));
    let config = Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .http_client(http.build_https())
        .sleep_impl(TokioSleep::new())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(Credentials::new(access_key, secret_key, None, None, "test"))
        .endpoint_url(fixture.server.endpoint())
        .force_path_style(true);
    Client::from_conf(config.build())
}

async fn begin(client: &Client) -> String {
    let begun = client.create_multipart_upload().bucket(BUCKET).key("a/net.pkl").metadata("who", "ada");
    begun.send().await.unwrap().upload_id().unwrap().to_owned()
}

/// The SDK sends a checksum with each part, and behind it, as a trailer.
#[tokio::test]
async fn parts_become_one_object_in_their_order() {
    let fixture = Fixture::new().await;
    let client = client(&fixture);
    let id = begin(&client).await;
    for (number, text) in [(10, "third"), (2, "second "), (1, "first ")] {
        let part = client.upload_part().bucket(BUCKET).key("a/net.pkl").upload_id(&id).part_number(number);
        part.body(text.as_bytes().to_vec().into()).send().await.unwrap();
    }
    let end = |numbers: &[i32]| {
        let parts = numbers.iter().map(|number| CompletedPart::builder().part_number(*number).build());
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts.collect())).build();
        client
            .complete_multipart_upload()
            .bucket(BUCKET)
            .key("a/net.pkl")
            .upload_id(&id)
            .multipart_upload(parts)
    };
    assert!(end(&[1, 3]).send().await.is_err(), "a part that was never uploaded");
    assert!(end(&[2, 1]).send().await.is_err(), "out of order");
    assert!(client.get_object().bucket(BUCKET).key("a/net.pkl").send().await.is_err(), "not yet");
    end(&[1, 2, 10]).if_none_match("*").send().await.unwrap();
    let object = client.get_object().bucket(BUCKET).key("a/net.pkl").send().await.unwrap();
    assert_eq!(object.metadata().unwrap()["who"], "ada");
    assert_eq!(object.body.collect().await.unwrap().into_bytes(), "first second third");
    assert!(end(&[1, 2, 10]).send().await.is_err(), "it has ended");

    let id = begin(&client).await;
    let abort = || client.abort_multipart_upload().bucket(BUCKET).key("a/net.pkl").upload_id(&id);
    abort().send().await.unwrap();
    assert!(abort().send().await.is_err(), "it is gone");
    let uploads = fixture.folder.path().join(".fidelis/uploads");
    assert_eq!(std::fs::read_dir(uploads).unwrap().count(), 0, "nothing is left of either");
}

#[tokio::test]
async fn a_body_that_is_not_its_checksum_is_not_kept() {
    let fixture = Fixture::new().await;
    let put = client(&fixture).put_object().bucket(BUCKET).key("x").body(b"one".to_vec().into());
    // Of other bytes.
    let refused =
        put.checksum_sha256("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=").send().await.unwrap_err();
    assert_eq!(refused.raw_response().unwrap().status().as_u16(), 400, "{refused:?}");
    assert!(!fixture.folder.path().join(BUCKET).join("x").exists());
    let buckets = client(&fixture).list_buckets().send().await.unwrap();
    assert!(buckets.buckets().iter().map(|bucket| bucket.name().unwrap()).eq([BUCKET]));
}
