//! What a person finds in the folder of the embedded server.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::{Fixture, bytes};
use fidelis_contract::ids::Digest;
use fidelis_embedded::S3Server;
use fidelis_fleet::store::{Created, Fetch, Opened, Store, StoreError};

/// Every file below a folder, by its path there.
fn files(folder: &Path) -> BTreeSet<String> {
    let (mut found, mut waiting) = (BTreeSet::new(), vec![folder.to_owned()]);
    while let Some(next) = waiting.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else {
                found.insert(path.strip_prefix(folder).unwrap().display().to_string());
            }
        }
    }
    found
}

#[tokio::test]
async fn objects_lie_as_they_are_called_and_nothing_beside_them() {
    let fixture = Fixture::new().await;
    let store = fixture.store().await;
    store.create("runs/a/spec.json", bytes("one")).await.unwrap();
    store.replace("runs/a/report.html", bytes("two"), "text/html").await.unwrap();
    store.replace("runs/a/report.html", bytes("three"), "text/html").await.unwrap();
    store.create("runs/a/gone", bytes("four")).await.unwrap();
    store.remove("runs/a/gone").await.unwrap();
    let entries: BTreeSet<_> =
        fs::read_dir(fixture.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(entries.iter().eq([".fidelis", "test-bucket"]), "{entries:?}");
    let objects = files(&fixture.folder.path().join("test-bucket"));
    assert!(
        objects.iter().eq(["some/prefix/runs/a/report.html", "some/prefix/runs/a/spec.json"]),
        "{objects:?}"
    );
    // Two notes and the lock.
    let hidden = files(&fixture.folder.path().join(".fidelis"));
    assert_eq!(hidden.len(), 3, "{hidden:?}");
    assert_eq!(fs::read(fixture.path("runs/a/report.html")).unwrap(), b"three");
    let noted = store.get_noted("runs/a/report.html").await.unwrap();
    assert_eq!(noted, Some((bytes("three"), Some(Digest::of(b"three")))));
}

/// As left by version 0.1.0 up to now.
#[tokio::test]
async fn a_folder_of_an_older_version_is_read_with_its_notes() {
    let fixture = Fixture::new().await;
    let store = fixture.store().await;
    let root = fixture.folder.path();
    store.create("x", bytes("one")).await.unwrap();
    // `test-bucket` and `some/prefix/x`.
    let name = ".bucket-dGVzdC1idWNrZXQ.object-c29tZS9wcmVmaXgveA.";
    fs::rename(
        root.join(".fidelis/notes/test-bucket/some/prefix/x"),
        root.join(format!("{name}metadata.json")),
    )
    .unwrap();
    fs::write(root.join(format!("{name}internal.json")), r#"{"e_tag":"f97c"}"#).unwrap();
    fs::write(root.join(".fidelis.lock"), "").unwrap();
    assert_eq!(store.get_noted("x").await.unwrap(), Some((bytes("one"), None)), "the note is elsewhere");
    drop(fixture.server);
    let again = S3Server::start(root, "test-bucket", None).await.unwrap();
    let mut config = again.store_config();
    config.url.push_str("/some/prefix");
    let store = Store::connect(config).await.unwrap();
    assert_eq!(store.get_noted("x").await.unwrap(), Some((bytes("one"), Some(Digest::of(b"one")))));
    assert_eq!(store.create("x", bytes("one")).await.unwrap(), Created::Same);
    let entries: BTreeSet<_> = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(entries.iter().eq([".fidelis", "test-bucket"]), "{entries:?}");
}

#[tokio::test]
async fn no_key_leads_out_of_the_bucket() {
    let fixture = Fixture::new().await;
    let store = fixture.store().await;
    fs::write(fixture.folder.path().join("secret"), "theirs").unwrap();
    for key in ["../../../secret", "a/../../../../secret", "a//b", "./a", "a/", ""] {
        let refused = store.create(key, bytes("ours")).await.unwrap_err();
        assert!(matches!(refused, StoreError::Service { status: 400, .. }), "{key}: {refused:?}");
        assert!(!matches!(store.get(key).await, Ok(Some(_))), "{key}");
    }
    assert_eq!(fs::read(fixture.folder.path().join("secret")).unwrap(), b"theirs");
}

#[tokio::test]
async fn a_version_is_told_by_its_mark() {
    let fixture = Fixture::new().await;
    let store = fixture.store().await;
    store.replace("x", bytes("first"), "text/plain").await.unwrap();
    let open = async |fetch: Fetch<'_>| match store.open(fetch).await.unwrap() {
        Opened::Object(mut object) => {
            let text = object.next().await.unwrap().unwrap();
            (String::from_utf8(text.to_vec()).unwrap(), object.mark)
        }
        other => (format!("{other:?}"), None),
    };
    let (text, mark) = open(Fetch { key: "x", ..Fetch::default() }).await;
    assert_eq!(text, "first");
    let known = Fetch { key: "x", if_none_match: mark.as_deref(), ..Fetch::default() };
    assert_eq!(open(known).await.0, "Unchanged");
    let part = Fetch { key: "x", from: 2, if_match: mark.as_deref(), ..Fetch::default() };
    assert_eq!(open(part).await.0, "rst");
    store.replace("x", bytes("other"), "text/plain").await.unwrap();
    assert_eq!(open(part).await.0, "Changed");
    assert_eq!(open(known).await.0, "other");
    let behind = Fetch { key: "x", from: 9, ..Fetch::default() };
    assert_eq!(open(behind).await.0, "Changed");
}
