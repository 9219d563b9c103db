//! The library's own promises, with faults in the server.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use fidelis_contract::{exit, ids::Digest, outcome::Outcome, spec::FileRef};
use fidelis_fleet::{
    files::{FileError, FileSettings, Files, Located},
    retry::Backoff,
    store::StoreConfig,
};
use fidelis_tests::{HttpServer, Served};
use tempfile::TempDir;

const QUICK: Backoff =
    Backoff { base: Duration::from_millis(1), cap: Duration::from_millis(5), max_attempts: 4 };

fn content(num_bytes: usize) -> Arc<Vec<u8>> {
    Arc::new((0..num_bytes).map(|i| (i * 31 % 251) as u8).collect())
}

fn served(num_bytes: usize) -> Served {
    Served { bytes: content(num_bytes), etag: Some("\"v1\"".into()), ..Served::default() }
}

/// A cache of its own, and a new process's view of it at each call.
struct Cache(TempDir);

impl Cache {
    fn new() -> Result<Self> {
        Ok(Self(tempfile::tempdir()?))
    }

    async fn local(&self, path: &str, sha256: Option<Digest>) -> Result<Located, FileError> {
        let cache = Some(self.0.path().to_owned());
        let files = Files::new(FileSettings { cache, s3: StoreConfig::default(), backoff: QUICK });
        files.local(&FileRef { path: path.to_owned(), sha256 }, &|_| {}).await
    }

    fn content(&self, digest: &Digest) -> PathBuf {
        self.0.path().join("sha256").join(digest.to_string())
    }

    /// Whether nothing was kept that is not a whole content.
    fn is_clean(&self) -> Result<bool> {
        let mut names = std::fs::read_dir(self.0.path().join("urls"))?.map(|entry| Ok(entry?.file_name()));
        Ok(names.all(|name: Result<_>| name.is_ok_and(|name| !name.to_string_lossy().contains(".part"))))
    }
}

#[tokio::test]
async fn fetched_once_and_asked_about_later() -> Result<()> {
    let (server, cache) = (HttpServer::start().await?, Cache::new()?);
    let url = server.put("net.pkl", served(300_000));
    let found = cache.local(&url, None).await?;
    let digest = Digest::of(&content(300_000));
    assert_eq!(found.sha256, digest);
    assert_eq!(std::fs::read(&found.path)?, *content(300_000));
    assert!(found.path.ends_with("net.pkl"), "the kind of file is seen: {}", found.path.display());
    assert_eq!(std::fs::read(cache.content(&digest))?, *content(300_000));
    assert_eq!(cache.local(&url, None).await?, found);
    assert_eq!((server.counts("net.pkl").downloads, server.counts("net.pkl").unchanged), (1, 1));
    // With a pin there is nothing to ask, under whatever address.
    assert_eq!(cache.local("http://127.0.0.1:1/net.pkl", Some(digest)).await?, found);
    assert_eq!(server.counts("net.pkl").requests, 2);
    // Another version is another content.
    server.put("net.pkl", Served { etag: Some("\"v2\"".into()), ..served(1000) });
    assert_eq!(cache.local(&url, None).await?.sha256, Digest::of(&content(1000)));
    assert!(cache.content(&digest).exists() && cache.is_clean()?);
    Ok(())
}

#[tokio::test]
async fn cut_connections_are_resumed() -> Result<()> {
    let (server, cache) = (HttpServer::start().await?, Cache::new()?);
    let url =
        server.put("net.pkl", Served { cuts: vec![70_000, 90_000], num_failures: 1, ..served(300_000) });
    assert_eq!(cache.local(&url, None).await?.sha256, Digest::of(&content(300_000)));
    let counts = server.counts("net.pkl");
    assert_eq!(
        (counts.requests, counts.downloads, counts.num_bytes),
        (4, 3, 300_000),
        "no byte was sent twice"
    );
    assert!(cache.is_clean()?);
    Ok(())
}

/// More cuts than tries, but headway each time: the count of failures begins anew.
#[tokio::test]
async fn headway_earns_new_tries() -> Result<()> {
    let (server, cache) = (HttpServer::start().await?, Cache::new()?);
    let url = server.put("net.pkl", Served { cuts: vec![1_100_000; 8], ..served(10_000_000) });
    assert_eq!(cache.local(&url, None).await?.sha256, Digest::of(&content(10_000_000)));
    let endless = server.put("endless.pkl", Served { cuts: vec![1000; 99], ..served(10_000_000) });
    let error = cache.local(&endless, None).await.unwrap_err();
    assert!(matches!(error, FileError::Broken { .. }), "{error}");
    assert_eq!((server.counts("endless.pkl").requests, error.exit_code()), (4, exit::INFRASTRUCTURE));
    Ok(())
}

#[tokio::test]
async fn a_file_that_changed_meanwhile_is_begun_anew() -> Result<()> {
    let (server, cache) = (HttpServer::start().await?, Cache::new()?);
    let url = server.put("net.pkl", Served { cuts: vec![1000; 4], ..served(300_000) });
    cache.local(&url, None).await.unwrap_err();
    let other: Vec<u8> = content(300_000).iter().rev().copied().collect();
    let other = Served { bytes: Arc::new(other), etag: Some("\"v2\"".into()), ..Served::default() };
    server.put("net.pkl", other.clone());
    assert_eq!(cache.local(&url, None).await?.sha256, Digest::of(&other.bytes));
    // Without any mark, a pinned digest finds the two halves out, and the file is fetched once more.
    let unmarked = Served { etag: None, ..served(300_000) };
    let url = server.put("b.pkl", Served { cuts: vec![1000; 4], ..unmarked.clone() });
    let (fresh, pinned) = (Cache::new()?, Some(Digest::of(&other.bytes)));
    fresh.local(&url, pinned).await.unwrap_err();
    server.put("b.pkl", Served { etag: None, ..other });
    assert_eq!(fresh.local(&url, pinned).await?.sha256, pinned.unwrap());
    Ok(())
}

#[tokio::test]
async fn servers_without_ranges_or_marks_do() -> Result<()> {
    let (server, cache) = (HttpServer::start().await?, Cache::new()?);
    let plain = Served { no_ranges: true, etag: None, cuts: vec![1000, 2000], ..served(50_000) };
    let url = server.put("net.pkl", plain);
    assert_eq!(cache.local(&url, None).await?.sha256, Digest::of(&content(50_000)));
    // Nothing tells whether it changed.
    cache.local(&url, None).await?;
    assert_eq!(server.counts("net.pkl").downloads, 4);
    Ok(())
}

#[tokio::test]
async fn wrong_bytes_are_not_kept() -> Result<()> {
    let (server, cache) = (HttpServer::start().await?, Cache::new()?);
    let url = server.put("net.pkl", served(300_000));
    let (pinned, found) = (Digest([7; 32]), Digest::of(&content(300_000)));
    let error = cache.local(&url, Some(pinned)).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains(&pinned.to_string()) && text.contains(&found.to_string()), "{text}");
    assert_eq!((error.is_retryable(), error.exit_code()), (false, exit::USAGE));
    assert!(!cache.content(&found).exists() && !cache.content(&pinned).exists() && cache.is_clean()?);
    assert_eq!(server.counts("net.pkl").downloads, 1, "fetching it again would not help");
    Ok(())
}

#[tokio::test]
async fn refusals_are_told_once_and_faults_tried_again() -> Result<()> {
    let (server, cache) = (HttpServer::start().await?, Cache::new()?);
    let absent = format!("{}?token=hunter2", server.put("x", Served::default()).replace("/x", "/absent.pkl"));
    for (url, name, status, requests, code) in [
        (absent, "absent.pkl", "404", 1, exit::USAGE),
        (server.put("a", Served { status: Some(403), ..served(10) }), "a", "403", 1, exit::USAGE),
        (server.put("b", Served { num_failures: 99, ..served(10) }), "b", "503", 4, exit::INFRASTRUCTURE),
    ] {
        let error = cache.local(&url, None).await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains(status) && text.contains(name) && !text.contains("hunter2"), "{text}");
        assert_eq!((server.counts(name).requests, error.exit_code()), (requests, code), "{text}");
    }
    let gone = cache.local("http://127.0.0.1:1/net.pkl", None).await.unwrap_err();
    assert!(gone.is_retryable() && gone.to_string().contains("127.0.0.1:1"), "{gone}");
    Ok(())
}

#[tokio::test]
async fn damage_in_the_cache_is_mended() -> Result<()> {
    let (server, cache) = (HttpServer::start().await?, Cache::new()?);
    let url = server.put("net.pkl", served(300_000));
    let digest = Digest::of(&content(300_000));
    cache.local(&url, Some(digest)).await?;
    std::fs::write(cache.content(&digest), b"damaged")?;
    let found = cache.local(&url, Some(digest)).await?;
    assert_eq!(Digest::of_file(&found.path)?, digest);
    Ok(())
}

#[tokio::test]
async fn local_files_stay_where_they_are() -> Result<()> {
    let (server, cache, folder) = (HttpServer::start().await?, Cache::new()?, tempfile::tempdir()?);
    let path = folder.path().join("net.pkl");
    std::fs::write(&path, &*content(1000))?;
    let digest = Digest::of(&content(1000));
    for address in
        [path.display().to_string(), format!("file:{}", path.display()), format!("file://{}", path.display())]
    {
        assert_eq!(
            cache.local(&address, Some(digest)).await?,
            Located { path: path.clone(), sha256: digest }
        );
    }
    let other = cache.local(&path.display().to_string(), Some(Digest([7; 32]))).await.unwrap_err();
    assert!(matches!(other, FileError::Pin { .. }), "{other}");
    // A path of another machine, of a content that is known here.
    cache.local(&server.put("net.pkl", served(1000)), None).await?;
    let elsewhere = cache.local("/elsewhere/main.pkl", Some(digest)).await?;
    assert_eq!((elsewhere.path.ends_with("main.pkl"), Digest::of_file(&elsewhere.path)?), (true, digest));
    let missing = cache.local("/elsewhere/main.pkl", None).await.unwrap_err();
    assert!(matches!(missing, FileError::Read { .. }), "{missing}");
    Ok(())
}

/// In one process as among several: whoever comes second waits for the first.
#[tokio::test(flavor = "multi_thread")]
async fn tasks_share_a_download() -> Result<()> {
    let (server, cache) = (HttpServer::start().await?, Cache::new()?);
    let url = server.put("net.pkl", Served { pause: Duration::from_millis(5), ..served(300_000) });
    let settings =
        FileSettings { cache: Some(cache.0.path().to_owned()), s3: StoreConfig::default(), backoff: QUICK };
    let files = Files::new(settings);
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let (files, file) = (files.clone(), FileRef::new(&url));
            tokio::spawn(async move { files.local(&file, &|_| {}).await })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await??.sha256, Digest::of(&content(300_000)));
    }
    assert_eq!(server.counts("net.pkl").downloads, 1);
    Ok(())
}
