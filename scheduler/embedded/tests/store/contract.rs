//! What any S3 server must do for a run, over TCP with signatures: the embedded one, or with `FIDELIS_TEST_S3` the one
//! at that endpoint (bucket `FIDELIS_TEST_S3_BUCKET`, keys from the usual AWS variables; `FIDELIS_TEST_S3_READER_KEY` and
//! `…_SECRET` may only read), as `make garage` does.

use std::collections::BTreeSet;
use std::env;
use std::hash::{BuildHasher, RandomState};

use bytes::Bytes;
use fidelis_contract::{ids::Digest, keys, outcome::Outcome};
use fidelis_embedded::S3Server;
use fidelis_fleet::store::{Created, Store, StoreConfig, StoreCredentials, StoreError};
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::{bytes, servers};

/// A prefix of its own in some bucket.
struct Place {
    config: StoreConfig,
    embedded: Option<(S3Server, TempDir)>,
}

impl Place {
    async fn new() -> Self {
        let prefix = format!("{:08x}", RandomState::new().hash_one(0_u8) as u32);
        if let Ok(endpoint) = env::var("FIDELIS_TEST_S3") {
            let bucket = env::var("FIDELIS_TEST_S3_BUCKET").unwrap_or_else(|_| "fidelis-tests".to_owned());
            let config = StoreConfig {
                url: format!("s3://{bucket}/{prefix}"),
                endpoint: Some(endpoint),
                ..StoreConfig::default()
            };
            return Place { config, embedded: None };
        }
        let folder = TempDir::new().unwrap();
        let server = S3Server::start(folder.path(), "test-bucket", None).await.unwrap();
        let mut config = server.store_config();
        config.url = format!("{}/{prefix}", config.url);
        Place { config, embedded: Some((server, folder)) }
    }

    /// The same place with a key that may only read.
    async fn reader(&self) -> StoreConfig {
        if let Some((_, folder)) = &self.embedded {
            return StoreConfig { url: self.config.url.clone(), ..servers::read_only(folder.path()).await };
        }
        let given =
            |name| env::var(name).unwrap_or_else(|_| panic!("{name} names no key that may only read"));
        let credentials = StoreCredentials {
            access_key: given("FIDELIS_TEST_S3_READER_KEY"),
            secret_key: given("FIDELIS_TEST_S3_READER_SECRET"),
        };
        StoreConfig { credentials: Some(credentials), ..self.config.clone() }
    }

    /// A store of its own connections, probed as every process does.
    async fn store(&self) -> Store {
        let store = Store::connect(self.config.clone()).await.unwrap();
        store.probe().await.unwrap();
        store
    }
}

#[tokio::test]
async fn an_object_is_created_once_and_never_overwritten() {
    let place = Place::new().await;
    let store = place.store().await;
    eprintln!("create-only honoured: {}", store.is_create_only());
    assert_eq!(store.get("a/b").await.unwrap(), None);
    assert_eq!(store.create("a/b", bytes("one")).await.unwrap(), Created::New);
    assert_eq!(store.create("a/b", bytes("one")).await.unwrap(), Created::Same);
    let error = store.create("a/b", bytes("two")).await.unwrap_err();
    assert!(matches!(&error, StoreError::Conflict { key, ours, theirs }
        if key == "a/b" && *ours == Digest::of(b"two") && *theirs == Digest::of(b"one")));
    assert_eq!(store.get("a/b").await.unwrap(), Some(bytes("one")));
}

/// I4. A server that does not honour the condition is looked at before each write, which racing writers can slip
/// through: there, no more is promised than that every loser that noticed says so and that one whole object stays.
#[tokio::test(flavor = "multi_thread")]
async fn of_8_racing_creates_exactly_one_wins() {
    let place = Place::new().await;
    let mut stores = Vec::new();
    for _ in 0..8 {
        stores.push(place.store().await);
    }
    for round in 0..10 {
        let key = format!("race/{round}");
        let mut racers = JoinSet::new();
        for (racer, store) in stores.iter().cloned().enumerate() {
            let (key, body) = (key.clone(), Bytes::from(vec![racer as u8; 200_000]));
            racers.spawn(async move { (racer, store.create(&key, body).await) });
        }
        let mut winners = Vec::new();
        for (racer, result) in racers.join_all().await {
            match result {
                Ok(Created::New) => winners.push(racer),
                Err(StoreError::Conflict { .. }) => {}
                other => panic!("racer {racer} in round {round}: {other:?}"),
            }
        }
        let kept = stores[0].get(&key).await.unwrap().unwrap();
        assert!(
            kept.len() == 200_000 && winners.iter().any(|&w| kept.iter().all(|byte| usize::from(*byte) == w))
        );
        if stores[0].is_create_only() {
            assert_eq!(winners.len(), 1, "round {round}: {winners:?} all won");
        }
    }
}

#[tokio::test]
async fn derived_objects_are_replaced_and_removed() {
    let place = Place::new().await;
    let store = place.store().await;
    for text in ["first", "second, longer"] {
        store.replace("report.html", bytes(text), "text/html").await.unwrap();
        assert_eq!(store.get("report.html").await.unwrap(), Some(bytes(text)));
    }
    let noted = store.get_noted("report.html").await.unwrap();
    assert_eq!(noted, Some((bytes("second, longer"), Some(Digest::of(b"second, longer")))));
    assert_eq!(store.create("report.html", bytes("second, longer")).await.unwrap(), Created::Same);
    store.remove("report.html").await.unwrap();
    store.remove("report.html").await.unwrap();
    assert_eq!(store.get("report.html").await.unwrap(), None);
    assert_eq!(store.create("report.html", bytes("third")).await.unwrap(), Created::New);
}

/// More than a page holds (1000).
#[tokio::test(flavor = "multi_thread")]
async fn listings_are_complete_sorted_and_relative() {
    let place = Place::new().await;
    let store = place.store().await;
    assert_eq!(store.list("runs/").await.unwrap(), []);
    let expected: BTreeSet<String> = (0..1100).map(|i| format!("runs/a-1/{i:06}.json")).collect();
    let mut writers = JoinSet::new();
    for key in expected.iter().cloned().chain(["runs/a-2/x".to_owned(), "runs/b-1/x".to_owned()]) {
        let store = store.clone();
        writers.spawn(async move { store.create(&key, bytes("12345")).await.unwrap() });
        if writers.len() >= 16 {
            writers.join_next().await.unwrap().unwrap();
        }
    }
    writers.join_all().await;
    let listed = store.list("runs/a-1/").await.unwrap();
    assert!(listed.iter().map(|object| &object.key).eq(expected.iter()), "{} listed", listed.len());
    assert!(listed.iter().all(|object| object.num_bytes == 5));
    assert_eq!(store.folder("runs/a-").await.unwrap().folders, ["runs/a-1/", "runs/a-2/"]);
    assert_eq!(store.folder("runs/").await.unwrap().folders, ["runs/a-1/", "runs/a-2/", "runs/b-1/"]);
}

#[tokio::test]
async fn an_empty_and_a_large_object_come_back() {
    let place = Place::new().await;
    let store = place.store().await;
    let large: Bytes = (0..20_000_003_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for (key, body) in [("empty", Bytes::new()), ("large", large)] {
        assert_eq!(store.create(key, body.clone()).await.unwrap(), Created::New);
        assert!(store.get(key).await.unwrap() == Some(body.clone()), "{key} differs");
        assert_eq!(store.create(key, body).await.unwrap(), Created::Same);
    }
}

#[tokio::test]
async fn the_longest_keys_fit() {
    let place = Place::new().await;
    let store = place.store().await;
    let run = format!("{}-0123456789abcdef", "n".repeat(48)).parse().unwrap();
    let kind = format!("features-{}", "d".repeat(32)).parse().unwrap();
    let key = keys::chunk(&run, &kind, u32::MAX);
    assert_eq!(store.create(&key, bytes("one")).await.unwrap(), Created::New);
    assert_eq!(store.create(&key, bytes("one")).await.unwrap(), Created::Same);
}

#[tokio::test]
async fn a_good_store_passes_the_probe_again_and_again() {
    let place = Place::new().await;
    let store = place.store().await;
    store.probe().await.unwrap();
    assert_eq!(store.list("").await.unwrap().len(), 1);
}

/// Refused, whatever the server calls it, without a secret, and not to be tried for ever.
#[tokio::test]
async fn wrong_keys_and_buckets_are_refused_and_not_shown() {
    let place = Place::new().await;
    place.store().await.create("x", bytes("theirs")).await.unwrap();
    let access_key = place.config.credentials.as_ref().map(|credentials| credentials.access_key.clone());
    let access_key = access_key.or_else(|| env::var("AWS_ACCESS_KEY_ID").ok()).unwrap();
    for access_key in [access_key, "nobody".to_owned()] {
        let credentials = StoreCredentials { access_key, secret_key: "pl4nted".into() };
        let config = StoreConfig { credentials: Some(credentials), ..place.config.clone() };
        let store = Store::connect(config).await.unwrap();
        for error in [store.probe().await.unwrap_err(), store.create("x", bytes("one")).await.unwrap_err()] {
            let refused = matches!(error, StoreError::AccessDenied { .. } | StoreError::Expired { .. });
            assert!(refused && !error.to_string().contains("pl4nted"), "{error:?}");
        }
    }
    let config = StoreConfig { url: "s3://no-such-bucket-here".into(), ..place.config.clone() };
    let error = Store::connect(config).await.unwrap().probe().await.unwrap_err();
    assert!(
        matches!(error, StoreError::NoSuchBucket { .. } | StoreError::AccessDenied { .. }),
        "a bucket that is not there: {error:?}"
    );
    assert_eq!(place.store().await.get("x").await.unwrap(), Some(bytes("theirs")));
}

#[tokio::test]
async fn a_key_that_may_only_read_is_told_at_once_what_it_may_not() {
    let place = Place::new().await;
    let theirs = place.store().await;
    theirs.create("x", bytes("theirs")).await.unwrap();
    let store = Store::connect(place.reader().await).await.unwrap();
    assert_eq!(store.get("x").await.unwrap(), Some(bytes("theirs")));
    assert_eq!(store.list("").await.unwrap().len(), 2);
    let denied = [
        ("create", "fidelis-probe", store.probe().await.unwrap_err()),
        ("create", "y", store.create("y", bytes("ours")).await.unwrap_err()),
        ("write", "x", store.replace("x", bytes("ours"), "text/plain").await.unwrap_err()),
        ("remove", "x", store.remove("x").await.unwrap_err()),
    ];
    for (action, key, error) in denied {
        let line = error.to_string();
        eprintln!("{line}");
        let asked = format!("let us {action} `s3://{}/", store.bucket());
        assert!(line.contains(&asked) && line.contains(&format!("{key}` (`AccessDenied`): check")), "{line}");
        assert!(!line.contains('\n') && !error.is_retryable(), "{error:?}");
    }
    assert_eq!(theirs.get("x").await.unwrap(), Some(bytes("theirs")));
    assert_eq!(theirs.get("y").await.unwrap(), None);
}

/// What is too large for one request appears whole, and parts are read of the version that was meant.
#[tokio::test]
async fn large_objects_are_sent_and_read_in_parts() {
    const PART: usize = 5 << 20;
    let place = Place::new().await;
    let store = place.store().await;
    let large: Vec<u8> = (0..2 * PART + 17).map(|i| (i * 31 % 251) as u8).collect();
    assert_eq!(store.head("state").await.unwrap(), None);
    assert_eq!(store.get_large("state", PART).await.unwrap(), None);
    store.replace("state", bytes("older"), "text/plain").await.unwrap();
    let older = store.head("state").await.unwrap().unwrap();
    assert_eq!(older.num_bytes, 5);
    store.replace_large("state", &large, PART).await.unwrap();
    let head = store.head("state").await.unwrap().unwrap();
    assert_eq!(head.num_bytes, large.len() as u64);
    assert!(store.get_large("state", PART).await.unwrap().unwrap() == large, "in parts");
    assert!(store.get("state").await.unwrap().unwrap() == large, "in one go");
    let part = async |range, mark: Option<&str>| store.part("state", range, mark).await.unwrap();
    assert_eq!(
        part(PART as u64..PART as u64 + 9, head.mark.as_deref()).await.unwrap(),
        large[PART..PART + 9]
    );
    assert_eq!(
        part(large.len() as u64 - 2..large.len() as u64 + 9, None).await.unwrap(),
        large[large.len() - 2..]
    );
    assert_eq!(part(0..5, older.mark.as_deref()).await, None, "of a version that is gone");
    store.replace_large("state", b"small", PART).await.unwrap();
    assert_eq!(store.get_large("state", PART).await.unwrap().unwrap(), "small");
}
