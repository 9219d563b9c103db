//! The store's [`contract`] with any server, and what only a server of our own shows, over TCP.

#![allow(clippy::disallowed_macros, reason = "the words of a test")]

mod contract;
mod folder;
mod servers;
mod uploads;

use std::collections::BTreeSet;
use std::fs;

use bytes::Bytes;
use fidelis_contract::{exit, ids::Digest, outcome::Outcome};
use fidelis_embedded::{S3Server, S3ServerError};
use fidelis_fleet::store::{Created, Store, StoreConfig, StoreCredentials, StoreError};
use tempfile::TempDir;

struct Fixture {
    server: S3Server,
    folder: TempDir,
}

impl Fixture {
    async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let server = S3Server::start(folder.path(), "test-bucket", None).await.unwrap();
        Fixture { server, folder }
    }

    async fn store(&self) -> Store {
        self.store_with(|_| {}).await
    }

    /// A store of its own connections, under the prefix `some/prefix`.
    async fn store_with(&self, change: impl FnOnce(&mut StoreConfig)) -> Store {
        let mut config = self.server.store_config();
        config.url.push_str("/some/prefix");
        change(&mut config);
        Store::connect(config).await.unwrap()
    }

    fn path(&self, key: &str) -> std::path::PathBuf {
        self.folder.path().join("test-bucket/some/prefix").join(key)
    }
}

fn bytes(text: &str) -> Bytes {
    Bytes::from(text.to_owned())
}

/// As after a writer that keeps no digest beside its objects, or a server that died between the two.
#[tokio::test]
async fn objects_without_a_noted_digest_are_read_and_compared() {
    let fixture = Fixture::new().await;
    let store = fixture.store().await;
    fs::create_dir_all(fixture.path("")).unwrap();
    fs::write(fixture.path("x"), "one").unwrap();
    assert_eq!(store.create("x", bytes("one")).await.unwrap(), Created::Same);
    assert!(matches!(store.create("x", bytes("two")).await, Err(StoreError::Conflict { .. })));
}

#[tokio::test]
async fn listings_are_complete_sorted_and_relative() {
    let fixture = Fixture::new().await;
    let store = fixture.store().await;
    assert_eq!(store.list("runs/").await.unwrap(), []);
    fs::create_dir_all(fixture.path("runs/a")).unwrap();
    fs::create_dir_all(fixture.path("runs/b")).unwrap();
    let expected: BTreeSet<String> = (0..2345).map(|i| format!("runs/a/{i:06}.json")).collect();
    for key in &expected {
        fs::write(fixture.path(key), "12345").unwrap();
    }
    fs::write(fixture.path("runs/b/0"), "other").unwrap();
    let listed = store.list("runs/a/").await.unwrap();
    assert!(listed.iter().map(|object| &object.key).eq(expected.iter()), "{} listed", listed.len());
    assert!(listed.iter().all(|object| object.num_bytes == 5));
}

/// HEAD-then-put: weaker, but it works on servers that ignore the condition.
#[tokio::test]
async fn a_server_that_ignores_the_condition_is_found_out() {
    let folder = TempDir::new().unwrap();
    let config = servers::forgetful(folder.path()).await;
    let store = Store::connect(config).await.unwrap();
    store.create("x", bytes("one")).await.unwrap();
    assert_eq!(store.create("x", bytes("two")).await.unwrap(), Created::New, "the server is not forgetful");
    store.probe().await.unwrap();
    assert!(matches!(store.create("x", bytes("one")).await, Err(StoreError::Conflict { .. })));
    assert_eq!(store.create("x", bytes("two")).await.unwrap(), Created::Same);
    assert_eq!(store.create("y", bytes("new")).await.unwrap(), Created::New);
}

#[tokio::test]
async fn a_missing_bucket_is_named_by_every_operation() {
    let fixture = Fixture::new().await;
    let store = fixture.store_with(|config| config.url = "s3://no-such-bucket".into()).await;
    let words = format!(
        "bucket `no-such-bucket` does not exist at `{}`: create it or correct the store's url",
        fixture.server.endpoint()
    );
    let failures = [
        store.probe().await.unwrap_err(),
        store.create("x", bytes("one")).await.unwrap_err(),
        store.get("x").await.unwrap_err(),
        store.list("x").await.unwrap_err(),
    ];
    for error in failures {
        assert_eq!(error.to_string(), words);
        assert_eq!((error.is_retryable(), error.exit_code()), (false, exit::INFRASTRUCTURE));
    }
    assert!(!fixture.folder.path().join("no-such-bucket").exists());
}

#[tokio::test]
async fn wrong_keys_are_denied_and_not_shown() {
    let fixture = Fixture::new().await;
    let pairs = [(fixture.server.access_key(), "wrong-secret"), ("nobody", fixture.server.secret_key())];
    for (access_key, secret_key) in pairs {
        let credentials = StoreCredentials { access_key: access_key.into(), secret_key: secret_key.into() };
        let store = fixture.store_with(|config| config.credentials = Some(credentials)).await;
        for error in [store.probe().await.unwrap_err(), store.create("x", bytes("one")).await.unwrap_err()] {
            // A key that is not known may be one that is not known everywhere yet.
            let expired = matches!(&error, StoreError::Expired { code, .. } if code == "InvalidAccessKeyId");
            assert!(
                matches!(error, StoreError::AccessDenied { .. }) || (expired && access_key == "nobody"),
                "{error}"
            );
            assert!(!error.to_string().contains(secret_key));
            assert_eq!((error.is_retryable(), error.exit_code()), (expired, exit::INFRASTRUCTURE));
        }
    }
    assert_eq!(fixture.store().await.list("").await.unwrap(), []);
}

#[tokio::test]
async fn a_server_that_is_gone_is_worth_another_try() {
    let fixture = Fixture::new().await;
    let store = fixture.store().await;
    let endpoint = fixture.server.endpoint();
    store.probe().await.unwrap();
    drop(fixture.server);
    let error = store.get("x").await.unwrap_err();
    assert!(matches!(error, StoreError::Unreachable { .. }), "{error:?}");
    assert!(error.to_string().starts_with(&format!("cannot reach the store at `{endpoint}`: ")), "{error}");
    assert!(error.to_string().contains("refused"), "{error}");
    assert_eq!((error.is_retryable(), error.exit_code()), (true, exit::INFRASTRUCTURE));
}

#[tokio::test]
async fn a_store_outlives_its_server_and_a_folder_has_one() {
    let folder = TempDir::new().unwrap();
    let first = S3Server::start(folder.path(), "test-bucket", None).await.unwrap();
    let store = Store::connect(first.store_config()).await.unwrap();
    store.create("kept", bytes("one")).await.unwrap();
    let second = S3Server::start(folder.path(), "test-bucket", None).await;
    assert!(matches!(second, Err(S3ServerError::InUse { .. })), "{second:?}");
    let (access_key, secret_key) = (first.access_key().to_owned(), first.secret_key().to_owned());
    drop(first);
    let credentials = StoreCredentials { access_key, secret_key };
    let again = S3Server::start(folder.path(), "test-bucket", Some(credentials)).await.unwrap();
    let store = Store::connect(again.store_config()).await.unwrap();
    assert_eq!(store.create("kept", bytes("one")).await.unwrap(), Created::Same);
}

#[tokio::test]
async fn endpoints_and_urls_of_another_form_are_usage_errors() {
    for (url, endpoint) in
        [("s3://bucket", "localhost:9000"), ("s3://bucket", "http://"), ("/bucket", "http://x")]
    {
        let config =
            StoreConfig { url: url.into(), endpoint: Some(endpoint.into()), ..StoreConfig::default() };
        assert_eq!(Store::connect(config).await.unwrap_err().exit_code(), exit::USAGE);
    }
}

/// As a disk or a hand may do: the digest noted beside an object says nothing of one that was cut off.
#[tokio::test]
async fn a_note_is_not_believed_of_an_object_that_was_cut_off() {
    let fixture = Fixture::new().await;
    let store = fixture.store().await;
    store.create("x", bytes("a whole object")).await.unwrap();
    fs::write(fixture.path("x"), "a whole").unwrap();
    let error = store.create("x", bytes("a whole object")).await.unwrap_err();
    assert!(
        matches!(&error, StoreError::Conflict { theirs, .. } if *theirs == Digest::of(b"a whole")),
        "{error}"
    );
}

#[tokio::test]
async fn a_key_that_is_taken_no_more_is_told_and_the_next_one_taken() {
    let fixture = Fixture::new().await;
    let store = fixture.store().await;
    store.create("x", bytes("one")).await.unwrap();
    let next = StoreCredentials { access_key: "next".into(), secret_key: "n3xt".into() };
    fixture.server.rotate(next.clone());
    let error = store.get("x").await.unwrap_err();
    assert!(matches!(&error, StoreError::Expired { code, .. } if code == "InvalidAccessKeyId"), "{error}");
    assert_eq!((error.is_retryable(), error.exit_code()), (true, exit::INFRASTRUCTURE));
    let store = fixture.store_with(|config| config.credentials = Some(next)).await;
    assert_eq!(store.get("x").await.unwrap(), Some(bytes("one")));
}
